"""The claim handle: for work that is not one function, or that ends in another process."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from exec_tracker import recovery
from exec_tracker.errors import LeaseLostError
from exec_tracker.flow import save_failure, save_result
from exec_tracker.handles import ClaimState
from exec_tracker.policies import EventName
from exec_tracker.repository import ExecutionRepository

if TYPE_CHECKING:
    from datetime import timedelta
    from types import TracebackType

    from exec_tracker.flow import Held, Plan
    from exec_tracker.tracker.driving import Driver
    from exec_tracker.types import ExecutionResult


class Claim(ClaimState):
    """A claim held by this process until `complete`, `fail` or `detach`; kept alive meanwhile.

    As a context manager: an exception in the block is recorded as an executor's would be, and a
    block that ends with the claim still open raises OutcomeUnknownError.
    """

    def __init__(self, driver: Driver, plan: Plan, got: Held | ExecutionResult[Any]) -> None:
        """Hold what was obtained."""
        super().__init__(plan, got)
        self._driver = driver

    def __enter__(self) -> Self:
        """Give the handle; what runs in the block belongs to the claim."""
        self._block.enter_context(self._plan.watch)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Record what ended the block, unless the claim has ended before."""
        with self._block:
            if self._held is None:
                return
            failure = error or self._left_open()
            self.fail(failure)
            if error is None:
                raise failure

    def complete(self, result: Any = None) -> Any:
        """Store the result and return it as a replay would.

        Raises IllegalTransitionError where the claim is not open, ResultNotStorableError,
        LeaseLostError or StorageError, each carrying the result.
        """
        with self._ending() as held:
            stored = self._driver.drive(save_result(self._plan, held, result))
        self._execution, self._result = stored.execution, stored.data
        return stored.data

    def fail(self, error: BaseException | str, *, retryable: bool = True) -> None:
        """Record a failure: an exception as if an executor had raised it, or a message.

        Raises IllegalTransitionError where the claim is not open; a message that cannot be
        recorded raises what the database raises.
        """
        if not isinstance(error, BaseException):
            self._fail(error, retryable=retryable)
            return
        with self._ending(error) as held:
            flow = save_failure(self._plan, held, error, started=True, may_retry=retryable)
            self._execution = self._driver.drive(flow) or self._execution

    def _fail(self, message: str, *, retryable: bool) -> None:
        with self._ending() as held:
            self._execution = self._driver.finish(
                recovery.mark_failed,
                held.execution.id,
                message,
                retryable=retryable,
                token=held.claim.token,
            )
            self._tell(EventName.FAILED, held)

    def heartbeat(self) -> None:
        """Renew the lease now; raises LeaseLostError where the claim is gone."""
        self.context.heartbeat()
        if self.lease_lost:
            raise LeaseLostError(execution=self._execution)

    def detach(self, lease: timedelta | None = None) -> None:
        """Leave the execution running for somebody else to finish with `claim_token`.

        `mark_completed` and `mark_failed` do that, from any process. `lease` is how long that is
        believed; None for ever. Raises LeaseLostError where the claim is gone.
        """
        held = self._open()
        claim = replace(held.claim, lease=lease)
        if self._lease is not None:
            # A renewal on its way would give the lease back its old length.
            self._driver.quiesce(self._lease)
        kept = self._driver.finish(
            ExecutionRepository.go_on, held.execution.id, claim, held.execution.attempt
        )
        self._handed_over(held, kept)

"""The async claim handle."""

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
    from collections.abc import Callable, Coroutine, Generator
    from datetime import timedelta
    from types import TracebackType

    from exec_tracker.aio.driving import AsyncDriver
    from exec_tracker.flow import Held, Plan
    from exec_tracker.types import ExecutionResult


class AsyncClaim(ClaimState):
    """The async twin of Claim: `async with tracker.claim(options) as claim`."""

    def __init__(self, driver: AsyncDriver, plan: Plan, got: Held | ExecutionResult[Any]) -> None:
        """Hold what was obtained."""
        super().__init__(plan, got)
        self._driver = driver

    async def __aenter__(self) -> Self:
        """Give the handle; what runs in the block belongs to the claim."""
        self._block.enter_context(self._plan.watch)
        return self

    async def __aexit__(
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
            await self.fail(failure)
            if error is None:
                raise failure

    async def complete(self, result: Any = None) -> Any:
        """Await `Claim.complete`."""
        with self._ending() as held:
            stored = await self._driver.drive(save_result(self._plan, held, result))
        self._execution, self._result = stored.execution, stored.data
        return stored.data

    async def fail(self, error: BaseException | str, *, retryable: bool = True) -> None:
        """Await `Claim.fail`."""
        if not isinstance(error, BaseException):
            await self._fail(error, retryable=retryable)
            return
        with self._ending(error) as held:
            flow = save_failure(self._plan, held, error, started=True, may_retry=retryable)
            self._execution = await self._driver.drive(flow) or self._execution

    async def _fail(self, message: str, *, retryable: bool) -> None:
        with self._ending() as held:
            self._execution = await self._driver.finish(
                recovery.mark_failed,
                held.execution.id,
                message,
                retryable=retryable,
                token=held.claim.token,
            )
            self._tell(EventName.FAILED, held)

    async def heartbeat(self) -> None:
        """Await `Claim.heartbeat`."""
        held = self._open()
        if self._lease is not None:
            await self._driver.renew_now(self._lease)
        if self.lease_lost:
            raise LeaseLostError(execution=held.execution)

    async def detach(self, lease: timedelta | None = None) -> None:
        """Await `Claim.detach`."""
        held = self._open()
        claim = replace(held.claim, lease=lease)
        if self._lease is not None:
            # A renewal on its way would give the lease back its old length.
            await self._driver.quiesce(self._lease)
        kept = await self._driver.finish(
            ExecutionRepository.go_on, held.execution.id, claim, held.execution.attempt
        )
        self._handed_over(held, kept)


class PendingClaim:
    """A claim about to be made: await it for the handle, or enter it with `async with`."""

    def __init__(self, obtain: Callable[[], Coroutine[Any, Any, AsyncClaim]]) -> None:
        """Claim only when awaited or entered."""
        self._obtain = obtain
        self._claim: AsyncClaim | None = None

    def __await__(self) -> Generator[Any, Any, AsyncClaim]:
        """Make the claim and give the handle."""
        return self._obtain().__await__()

    async def __aenter__(self) -> AsyncClaim:
        """Make the claim and give the handle."""
        self._claim = await self._obtain()
        return await self._claim.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the claim as AsyncClaim does."""
        if self._claim is not None:
            await self._claim.__aexit__(kind, error, traceback)

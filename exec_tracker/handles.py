"""What both claim handles know: where a claim stands, and what may still be done with it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

from exec_tracker.errors import IllegalTransitionError, LeaseLostError, OutcomeUnknownError
from exec_tracker.flow import Held, Item, Pursuit
from exec_tracker.policies import EventName
from exec_tracker.types import ExecutionResult

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from exec_tracker.context import ExecutionContext
    from exec_tracker.flow import Plan
    from exec_tracker.leases import HeldLease
    from exec_tracker.types import Execution


class TransactionState:
    """What both transaction blocks know: whether there is anything to do, and what came of it."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._cached = False
        self._value: Any = None
        self._result: Any = None
        self._execution: Execution | None = None

    @property
    def cached(self) -> bool:
        """Whether the execution was completed before: there is nothing to do."""
        return self._cached

    @property
    def result(self) -> Any:
        """The stored result: after the block, or where `cached`."""
        return self._result

    @property
    def execution(self) -> Execution | None:
        """The stored execution: after the block, or where `cached`."""
        return self._execution

    def complete(self, result: Any = None) -> None:
        """Say what the result is; it is stored at the end of the block. Without it, None is."""
        self._value = result

    def _found(self, stored: ExecutionResult[Any]) -> None:
        self._ended(stored)
        self._cached = True

    def _ended(self, stored: ExecutionResult[Any]) -> None:
        self._result, self._execution = stored.data, stored.execution


class ClaimState:
    """One claim made by `tracker.claim`, or the outcome that made it unnecessary."""

    def __init__(self, plan: Plan, got: Held | ExecutionResult[Any]) -> None:
        """Begin to keep the lease where the claim is ours."""
        self._plan = plan
        self._block = ExitStack()
        self._held: Held | None = None
        self._lease: HeldLease | None = None
        self._result: Any = None
        if isinstance(got, Held):
            self._held = got
            self._execution = got.execution
            if plan.lease is not None:
                execution_id, token = got.execution.id, got.claim.token
                self._lease = plan.leases.hold(execution_id, token, plan.lease, got.sent_at)
        else:
            self._execution, self._result = got.execution, got.data
            plan.watch.end()
        self._cached = isinstance(got, ExecutionResult)

    def __repr__(self) -> str:
        """Show where it stands."""
        state = "cached" if self._cached else "held" if self._held else "ended"
        return f"{type(self).__name__}({self._execution.id!r}, {state})"

    @property
    def cached(self) -> bool:
        """Whether the execution was completed before: there is nothing to do."""
        return self._cached

    @property
    def result(self) -> Any:
        """The stored result: after `complete`, or where `cached`."""
        return self._result

    @property
    def execution(self) -> Execution:
        """The execution as it was last seen through this claim."""
        return self._execution

    @property
    def claim_token(self) -> UUID | None:
        """The fence to hand to whoever finishes the execution elsewhere; None where cached."""
        return None if self._cached else self._execution.claim_token

    @property
    def context(self) -> ExecutionContext:
        """What an executor would be told about this run."""
        return self._plan.context(self._open(), self._lease)

    @property
    def lease_lost(self) -> bool:
        """Whether the claim was seen to be gone."""
        return self._lease is not None and self._lease.lost

    def _as_item(self, value: Any) -> Item:
        """Give the claim to a batch that stores many results; raises where it is not open."""
        held = self._open()
        item = Item(self._plan, Pursuit(held.claim), held=held, lease=self._lease, value=value)
        item.when_over = self._over
        return item

    def _over(self, item: Item) -> None:
        self._held = None
        if item.result is not None:
            self._execution, self._result = item.result.execution, item.result.data

    def _open(self) -> Held:
        if self._held is None:
            raise IllegalTransitionError(
                f"The claim on execution {self._execution.id!r} is not open: it was cached, "
                "completed, failed or detached.",
                execution=self._execution,
            )
        return self._held

    @contextmanager
    def _ending(self, error: BaseException | None = None) -> Iterator[Held]:
        """End the claim, whatever comes of its last statement."""
        held = self._open()
        with self._plan.watch as watch:
            try:
                yield held
            finally:
                self._release()
            watch.end(error)

    def _handed_over(self, held: Held, kept: Execution | None) -> None:
        """Let go of a claim that somebody else is to finish."""
        self._release()
        if kept is None:
            error = LeaseLostError(execution=held.execution)
            self._tell(EventName.LOST, held)
            self._plan.watch.end(error)
            raise error
        self._execution = kept
        self._tell(EventName.DETACHED, held)
        self._plan.watch.end()

    def _tell(self, name: EventName, held: Held) -> None:
        ran = monotonic() - held.began_at
        self._plan.tell(name, held.execution.attempt, seconds=ran)

    def _release(self) -> None:
        self._held = None
        if self._lease is not None:
            self._plan.leases.release(self._lease)

    def _left_open(self) -> OutcomeUnknownError:
        return OutcomeUnknownError(
            f"The claim on execution {self._execution.id!r} was left without complete(), fail() or "
            "detach(); its outcome is recorded as unknown."
        )

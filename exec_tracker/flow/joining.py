"""Claim a key inside a transaction, or find the outcome that makes it unnecessary."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

from exec_tracker import sessions
from exec_tracker.errors import (
    IdempotencyKeyReusedError,
    StorageError,
    TransientStorageError,
)
from exec_tracker.flow import refusals
from exec_tracker.flow.claiming import TRIES_TO_SEE, replay
from exec_tracker.flow.commands import Within
from exec_tracker.policies import EventName
from exec_tracker.repository import ExecutionRepository
from exec_tracker.sqlstates import LOCK_NOT_AVAILABLE, READ_ONLY
from exec_tracker.transitions import Mine, Refuse, Replay, TakeOver, decide
from exec_tracker.types import ExecutionResult

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from exec_tracker.flow.commands import Command
    from exec_tracker.flow.plan import Plan
    from exec_tracker.repository import Claim
    from exec_tracker.types import Execution


@dataclass(slots=True)
class Transaction:
    """Where a call works: in which schema, until when it waits, and whether it may commit.

    `recorded` tells that a failure stands in the row: an outcome, and not a claim alone. `ran` is
    how many seconds the function took. `lost` tells, of a function that raised, whether its
    connection is gone; None where that was not looked at.
    """

    plan: Plan
    claim: Claim
    schema: str | None
    deadline: float
    owned: bool
    recorded: bool = False
    ran: float | None = None
    lost: bool | None = None

    @classmethod
    def of(cls, plan: Plan, schema: str | None, *, owned: bool) -> Transaction:
        """Start the clock for one call."""
        deadline = monotonic() + plan.wait_timeout.total_seconds()
        return cls(plan, plan.new_claim(), schema, deadline, owned)

    def within(self, method: Callable[..., Any], *arguments: Any) -> Generator[Command, Any, Any]:
        """Call a repository method in a savepoint of the transaction."""
        remaining = timedelta(seconds=max(self.deadline - monotonic(), 0.001))
        command = Within(sessions.in_savepoint, (self.schema, remaining, method, *arguments))
        return (yield command)

    def read(self) -> Generator[Command, Any, Execution | None]:
        """Read the execution that stands under the key, as this transaction sees it."""
        seen: Execution | None = yield from self.within(ExecutionRepository.read, self.plan.new.id)
        return seen


def begin(work: Transaction) -> Generator[Command, Any, Execution | ExecutionResult[Any]]:
    """Claim the key in the transaction, or return the stored outcome."""
    try:
        return (yield from _begin(work))
    except TransientStorageError as exc:
        if exc.sqlstate == LOCK_NOT_AVAILABLE:
            raise refusals.locked(work.plan) from exc
        raise


def _begin(work: Transaction) -> Generator[Command, Any, Execution | ExecutionResult[Any]]:
    yield Within(sessions.check_session, ())
    for _ in range(TRIES_TO_SEE):
        standing = yield from _claim_or_read(work)
        if standing is not None:
            return (yield from _negotiate(work, standing))
    work.plan.tell(EventName.REFUSED, 0, "Hidden")
    raise IdempotencyKeyReusedError(
        f"The key {work.plan.new.id!r} is used by an execution that this connection may not see."
    )


def _claim_or_read(work: Transaction) -> Generator[Command, Any, Execution | None]:
    standing: Execution | None
    try:
        standing = yield from work.within(ExecutionRepository.claim, work.plan.new, work.claim)
    except StorageError as exc:
        if exc.sqlstate != READ_ONLY:
            raise
        # In a read-only transaction only a stored outcome helps: without one, that is the error.
        standing = yield from work.read()
        if standing is None:
            raise
    return standing


def _negotiate(
    work: Transaction, seen: Execution
) -> Generator[Command, Any, Execution | ExecutionResult[Any]]:
    plan = work.plan
    while True:
        decision = decide(plan.claimant(work.claim), plan.policy, seen)
        match decision:
            case Mine():
                plan.tell(EventName.CLAIMED, seen.attempt)
                return seen
            case Replay():
                return _replayed(work, seen)
            case TakeOver():
                taken: Execution | None = yield from work.within(
                    ExecutionRepository.take_over, seen, work.claim, plan.new
                )
                if taken is not None:
                    plan.tell(EventName.TAKEN_OVER, taken.attempt, f"was {seen.status}", found=seen)
                    return taken
            case _:
                raise (yield from _refusal(work, decision, seen))
        if monotonic() > work.deadline:
            raise refusals.locked(plan)
        again: Execution | None = yield from work.read()
        if again is None:
            plan.tell(EventName.REFUSED, 0, "Vanished")
            raise refusals.vanished(plan.new.id)
        seen = again


def _replayed(work: Transaction, seen: Execution) -> ExecutionResult[Any]:
    """Replay; where the commit's answer was lost, what stands there may be our own first result."""
    own = seen.claim_token == work.claim.token
    replayed = replay(work.plan, seen)
    return ExecutionResult(replayed.data, cached=not own, execution=seen)


def _refusal(
    work: Transaction, decision: Any, seen: Execution
) -> Generator[Command, Any, Exception]:
    work.plan.tell_refusal(decision, seen)
    attempts = []
    if isinstance(decision, Refuse):
        attempts = yield from work.within(ExecutionRepository.attempts, seen.id)
    return refusals.refusal(work.plan, decision, seen, attempts)

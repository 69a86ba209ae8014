"""Obtain the claim, or the outcome that makes it unnecessary."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from exec_tracker.errors import (
    ExecutionInProgressError,
    ExecutionNotFoundError,
    IdempotencyKeyReusedError,
    StorageError,
    TransientStorageError,
)
from exec_tracker.flow import refusals
from exec_tracker.flow.patience import ask_patiently
from exec_tracker.flow.plan import Held, Pursuit
from exec_tracker.flow.waiting import wait_for_ending
from exec_tracker.policies import EventName
from exec_tracker.repository import ExecutionRepository
from exec_tracker.snapshots import execution_of, result_of
from exec_tracker.sqlstates import LOCK_NOT_AVAILABLE, READ_ONLY
from exec_tracker.transitions import (
    Abandoned,
    Conflict,
    InProgress,
    Mine,
    Refuse,
    Replay,
    TakeOver,
    Verify,
    decide,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from exec_tracker.flow.commands import Command
    from exec_tracker.flow.plan import Plan
    from exec_tracker.repository import Claim, NewExecution
    from exec_tracker.snapshots import Seen
    from exec_tracker.types import Execution, ExecutionResult

    Obtaining = Generator[Command, Any, Held | ExecutionResult[Any]]

# A row that is neither insertable nor readable: a purge in between explains that once or twice, row
# security explains it for good.
TRIES_TO_SEE = 5


def obtain(plan: Plan, pursuit: Pursuit) -> Obtaining:
    """Claim the key, or return the stored outcome.

    Raises IdempotencyKeyReusedError, ExecutionInProgressError, ExecutionAbandonedError,
    ExecutionFailedError, ResultErasedError, or what the database raises; the function has not run.
    """
    for _ in range(TRIES_TO_SEE):
        sent_at = monotonic()
        standing = yield from _claim_or_read(plan, pursuit.claim)
        if standing is not None:
            return (yield from negotiate(plan, pursuit, sent_at, standing))
    plan.tell(EventName.REFUSED, 0, "Hidden")
    raise IdempotencyKeyReusedError(
        f"The key {plan.new.id!r} is used by an execution that this connection may not see."
    )


def _claim_or_read(plan: Plan, claim: Claim) -> Generator[Command, Any, Seen | None]:
    try:
        standing: Seen | None = yield from ask_patiently(
            ExecutionRepository.claim_row, plan.new, claim
        )
    except TransientStorageError as exc:
        if exc.sqlstate == LOCK_NOT_AVAILABLE and not exc.in_doubt:
            raise refusals.locked(plan) from exc
        raise
    except StorageError as exc:
        if exc.sqlstate != READ_ONLY:
            raise
        # On a read-only server only a stored outcome helps: without one, that is the error.
        standing = yield from ask_patiently(ExecutionRepository.read, plan.new.id)
        if standing is None:
            raise
    return standing


def negotiate(plan: Plan, pursuit: Pursuit, sent_at: float, found: Seen) -> Obtaining:
    """Decide about the row that stands under the key until something comes of it."""
    policy, claim = plan.policy, pursuit.claim
    wait_until: float | None = None
    verifies = False
    while True:
        decision = decide(plan.claimant(claim), policy, found)
        if isinstance(decision, Mine):
            # Fresh, or an earlier claim of ours whose answer was lost.
            plan.tell(EventName.CLAIMED, found.attempt)
            return Held(found, claim, sent_at, verifies, pursuit.over_unknown)
        if isinstance(decision, Replay):
            return replay(plan, found)
        seen = execution_of(found)
        match decision:
            case InProgress() if plan.on_running == "wait":
                wait_until = wait_until or monotonic() + plan.wait_timeout.total_seconds()
                found = yield from _wait(plan, claim, seen, wait_until)
                # A waiter adopts the ending: it never runs what it saw fail.
                policy = replace(policy, on_failed="raise")
                continue
            case Verify() | TakeOver():
                sent_at = monotonic()
                verifies = isinstance(decision, Verify)
                pursuit.over_unknown = seen.is_abandoned
                taken = yield from _take_over(plan, claim, seen, verifies=verifies)
                if taken is not None:
                    return Held(taken, claim, sent_at, verifies, pursuit.over_unknown)
            case Conflict() | InProgress() | Abandoned() | Refuse():
                plan.tell_refusal(decision, seen)
                attempts = yield from _history(decision, seen)
                raise refusals.refusal(plan, decision, seen, attempts)
        found = yield from _look_again(plan)


def _wait(
    plan: Plan, claim: Claim, running: Execution, until: float
) -> Generator[Command, Any, Execution]:
    """Wait for the ending; what stands there at the time-out may be somebody else's by now."""
    try:
        return (yield from _timed_wait(plan, running, until))
    except ExecutionInProgressError as exc:
        seen = exc.execution or running
        decision = decide(plan.claimant(claim), plan.policy, seen)
        plan.tell_refusal(decision, seen)
        if isinstance(decision, Conflict):
            raise refusals.refusal(plan, decision, seen, []) from None
        raise
    except ExecutionNotFoundError:
        plan.tell(EventName.REFUSED, running.attempt, "Vanished")
        raise


def _timed_wait(plan: Plan, running: Execution, until: float) -> Generator[Command, Any, Execution]:
    began = monotonic()
    try:
        return (yield from wait_for_ending(plan.new.id, until))
    finally:
        waited = monotonic() - began
        plan.tell(EventName.WAITED, running.attempt, seconds=waited, found=running)


def _take_over(
    plan: Plan, claim: Claim, seen: Execution, *, verifies: bool
) -> Generator[Command, Any, Execution | None]:
    try:
        taken: Execution | None = yield from ask_patiently(
            _take_over_core, seen, claim, plan.new, not verifies
        )
    except TransientStorageError as exc:
        # In doubt, the lock may be that of our own first try, which is still committing.
        if exc.sqlstate == LOCK_NOT_AVAILABLE and not exc.in_doubt:
            raise refusals.locked(plan) from exc
        raise
    if taken is not None:
        plan.tell(EventName.TAKEN_OVER, taken.attempt, f"was {seen.status}", found=seen)
    return taken


def _take_over_core(
    executions: ExecutionRepository,
    seen: Execution,
    claim: Claim,
    new: NewExecution,
    counts: bool,  # commands carry positional arguments
) -> Execution | None:
    return executions.take_over(seen, claim, new, counts=counts)


def _history(decision: object, seen: Execution) -> Generator[Command, Any, list[Any]]:
    if not isinstance(decision, Refuse):
        return []
    attempts: list[Any] = yield from ask_patiently(ExecutionRepository.attempts, seen.id)
    return attempts


def _look_again(plan: Plan) -> Generator[Command, Any, Execution]:
    seen: Execution | None = yield from ask_patiently(ExecutionRepository.read, plan.new.id)
    if seen is None:
        plan.tell(EventName.REFUSED, 0, "Vanished")
        raise refusals.vanished(plan.new.id)
    return seen


def replay(plan: Plan, seen: Seen) -> ExecutionResult[Any]:
    """Return the stored result in its type, or raise ResultErasedError."""
    if seen.erased_at is not None:
        plan.tell(EventName.REFUSED, seen.attempt, "Erased", found=seen)
        raise refusals.erased(execution_of(seen))
    plan.tell(EventName.REPLAYED, seen.attempt, found=seen)
    return result_of(plan.codec.decode(seen.result_json), seen, cached=True)

"""The errors that tell a caller why nothing was run, and what to do next."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from exec_tracker.errors import (
    ExecTrackerError,
    ExecutionAbandonedError,
    ExecutionFailedError,
    ExecutionInProgressError,
    ExecutionNotFoundError,
    IdempotencyKeyReusedError,
    ResultErasedError,
)
from exec_tracker.policies import EventName
from exec_tracker.transitions import Conflict, InProgress, Refuse

if TYPE_CHECKING:
    from exec_tracker.flow.plan import Plan
    from exec_tracker.transitions import Abandoned
    from exec_tracker.types import Execution, ExecutionAttempt

# What to tell a caller who asks when to come back, where nothing better is known.
_SOON = timedelta(seconds=1)


def refusal(
    plan: Plan,
    decision: Conflict | InProgress | Abandoned | Refuse,
    seen: Execution,
    attempts: list[ExecutionAttempt],
) -> ExecTrackerError:
    """Turn a decision against the caller into the error that says so."""
    match decision:
        case Conflict():
            return _conflict(plan, decision)
        case InProgress():
            return in_progress(seen)
        case Refuse():
            return _failed(decision, seen, attempts)
        case _:
            return abandoned(seen)


def in_progress(seen: Execution) -> ExecutionInProgressError:
    """Say that someone else is at it."""
    return ExecutionInProgressError(
        f"Execution {seen.id!r} is {seen.status} (attempt {seen.attempt}). Ask again later, or "
        'wait for its outcome with on_running="wait".',
        execution=seen,
        retry_after=min(seen.lease_remaining or _SOON, _SOON),
    )


def locked(plan: Plan) -> ExecutionInProgressError:
    """Say that another transaction holds the key, whose row cannot be seen yet."""
    plan.tell(EventName.REFUSED, 0, "Locked")
    return ExecutionInProgressError(
        f"Execution {plan.new.id!r} is held by another transaction. Ask again later.",
        retry_after=_SOON,
    )


def vanished(execution_id: str) -> ExecutionNotFoundError:
    """Say that it was deleted under the caller's eyes; running it might repeat its effect."""
    return ExecutionNotFoundError(
        f"Execution {execution_id!r} was deleted while this call dealt with it; nothing was run. "
        "Call again to run it as a new one."
    )


def erased(seen: Execution) -> ResultErasedError:
    """Say that it completed, and that its result is gone for good."""
    return ResultErasedError(
        f"Execution {seen.id!r} completed, and its result was erased at {seen.erased_at}; "
        "the key stays used.",
        execution=seen,
    )


def failed(seen: Execution, attempts: list[ExecutionAttempt]) -> ExecutionFailedError:
    """Replay a stored failure, as a waiter gets it."""
    return _failed(Refuse(), seen, attempts)


def _conflict(plan: Plan, decision: Conflict) -> IdempotencyKeyReusedError:
    if decision.differs is None:
        return IdempotencyKeyReusedError(
            f"The key {plan.new.id!r} is already used for another request. Use a key of your own, "
            "or key_scope=KeyScope.USER for keys that only need to be unique per user."
        )
    return IdempotencyKeyReusedError(
        f"The key {plan.new.id!r} was first used with other {decision.differs}. Use a new key "
        "for a new request, or name what identifies it in fingerprint_fields.",
        differs=decision.differs,
    )


def abandoned(seen: Execution) -> ExecutionAbandonedError:
    """Say that nobody knows whether it happened."""
    return ExecutionAbandonedError(
        f"Execution {seen.id!r} was abandoned in attempt {seen.attempt}: nobody knows whether it "
        "happened, so it is not run again. Find out, then resolve(id, result=… | error=…) or "
        'reset(id); or pass verify= or on_abandoned="retry".',
        execution=seen,
    )


def _failed(
    decision: Refuse, seen: Execution, attempts: list[ExecutionAttempt]
) -> ExecutionFailedError:
    stored: dict[str, Any] = dict(seen.error or {})
    if attempts and attempts[-1].attempt == seen.attempt:
        stored = {**(attempts[-1].error or {}), **stored}
    stored.setdefault("message", seen.error_message)
    said = (seen.error_message or "nothing is known of it").rstrip(".")
    when = f" It may be retried in {decision.retry_after}." if decision.retry_after else ""
    return ExecutionFailedError(
        f"Execution {seen.id!r} failed in attempt {seen.attempt}: {said}.{when}",
        execution=seen,
        retry_after=decision.retry_after,
        error=stored,
    )

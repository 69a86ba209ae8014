"""The transactional mode: claim, the function's writes and the result in one commit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from exec_tracker import sessions
from exec_tracker.errors import (
    ExecutionInProgressError,
    IdempotencyKeyReusedError,
    LeaseLostError,
    ResultNotStorableError,
    TransientStorageError,
)
from exec_tracker.failures import failure_of
from exec_tracker.flow import refusals
from exec_tracker.flow.claiming import replay
from exec_tracker.flow.commands import EscapedStopError, Lend, Sleep, Within
from exec_tracker.flow.patience import pauses
from exec_tracker.policies import EventName
from exec_tracker.repository import ExecutionRepository
from exec_tracker.sqlstates import LOCK_NOT_AVAILABLE, SERIALIZATION, sqlstate_of
from exec_tracker.transitions import Mine, Refuse, Replay, TakeOver, decide
from exec_tracker.types import ExecutionResult

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from exec_tracker.flow.commands import Command
    from exec_tracker.flow.plan import Plan
    from exec_tracker.repository import Claim
    from exec_tracker.types import Execution

    Transacting = Generator[Command, Any, ExecutionResult[Any]]

# A serialization failure or deadlock is the server's way to say "again"; after this many it is
# contention that the caller should hear of.
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Transaction:
    """Where a call works: in which schema, until when it waits, and whether it may commit."""

    plan: Plan
    claim: Claim
    schema: str | None
    deadline: float
    owned: bool

    def within(self, method: Callable[..., Any], *arguments: Any) -> Generator[Command, Any, Any]:
        """Call a repository method in a savepoint of the transaction."""
        remaining = timedelta(seconds=max(self.deadline - monotonic(), 0.001))
        command = Within(sessions.in_savepoint, (self.schema, remaining, method, *arguments))
        return (yield command)


def execute_in_transaction(plan: Plan, schema: str | None, *, owned: bool) -> Transacting:
    """Do it all in one transaction; repeat the whole of it where it is ours and was in conflict.

    A commit whose answer was lost is settled by the repetition: it meets our own token.
    """
    deadline = monotonic() + plan.wait_timeout.total_seconds()
    work = Transaction(plan, plan.new_claim(), schema, deadline, owned)
    for tries, pause in enumerate(pauses(), start=1):
        try:
            return (yield from _once(work))
        except EscapedStopError:
            raise
        except Exception as exc:
            if not owned or tries == _TRIES or not _is_worth_repeating(exc):
                raise
            broken = isinstance(exc, TransientStorageError) and exc.in_doubt
            yield Within(partial(sessions.start_over, broken=broken), ())
        yield Sleep(pause)
    raise AssertionError("pauses never end")  # pragma: no cover


def _is_worth_repeating(error: Exception) -> bool:
    if sqlstate_of(error) in SERIALIZATION:
        return True
    return isinstance(error, TransientStorageError) and error.in_doubt


def _once(work: Transaction) -> Transacting:
    yield Within(sessions.check_session, ())
    claimed = yield from _claim(work)
    if isinstance(claimed, ExecutionResult):
        return claimed
    text, value = yield from _lend(work, claimed)
    stored: Execution | None = yield from work.within(
        ExecutionRepository.complete, claimed.id, work.claim.token, text
    )
    if stored is None:
        raise LeaseLostError(execution=claimed, result=value)
    if work.owned:
        yield Within(sessions.commit, ())
    work.plan.tell(EventName.COMPLETED, stored.attempt)
    data = work.plan.codec.decode(stored.result_json)
    return ExecutionResult(data, cached=False, execution=stored)


def _claim(work: Transaction) -> Generator[Command, Any, Execution | ExecutionResult[Any]]:
    plan = work.plan
    try:
        inserted: Execution | None = yield from work.within(
            ExecutionRepository.insert, plan.new, work.claim
        )
        if inserted is not None:
            plan.tell(EventName.CLAIMED, inserted.attempt)
            return inserted
        return (yield from _negotiate(work))
    except TransientStorageError as exc:
        if exc.sqlstate == LOCK_NOT_AVAILABLE:
            raise refusals.locked(plan) from exc
        raise


def _negotiate(work: Transaction) -> Generator[Command, Any, Execution | ExecutionResult[Any]]:
    plan = work.plan
    while True:
        seen: Execution | None = yield from work.within(ExecutionRepository.read, plan.new.id)
        if seen is None:
            raise IdempotencyKeyReusedError(
                f"The key {plan.new.id!r} is used by an execution that cannot be seen from here."
            )
        decision = decide(plan.claimant(work.claim), plan.policy, seen)
        match decision:
            case Replay():
                return _replayed(work, seen)
            case TakeOver():
                taken: Execution | None = yield from work.within(
                    ExecutionRepository.take_over, seen, work.claim, plan.new.fingerprint
                )
                if taken is not None:
                    plan.tell(EventName.TAKEN_OVER, taken.attempt, f"was {seen.status}")
                    return taken
            case _:
                raise (yield from _refusal(work, decision, seen))
        if monotonic() > work.deadline:
            raise refusals.locked(plan)


def _replayed(work: Transaction, seen: Execution) -> ExecutionResult[Any]:
    """Replay; where the commit's answer was lost, what stands there may be our own first result."""
    own = seen.claim_token == work.claim.token
    replayed = replay(work.plan, seen)
    return ExecutionResult(replayed.data, cached=not own, execution=seen)


def _refusal(
    work: Transaction, decision: Any, seen: Execution
) -> Generator[Command, Any, Exception]:
    work.plan.tell(EventName.REFUSED, seen.attempt, type(decision).__name__)
    if isinstance(decision, Mine):  # pragma: no cover # our claims are never committed running
        return ExecutionInProgressError(execution=seen)
    attempts = []
    if isinstance(decision, Refuse):
        attempts = yield from work.within(ExecutionRepository.attempts, seen.id)
    return refusals.refusal(work.plan, decision, seen, attempts)


def _lend(work: Transaction, claimed: Execution) -> Generator[Command, Any, tuple[str, Any]]:
    """Run the function on the session; where it fails, undo its writes and record it."""
    loan = yield Within(sessions.lend, ())
    try:
        value = yield Lend(work.plan.executor)
        text = _encode(work, value)
        yield Within(sessions.keep, (loan,))
    except GeneratorExit:
        raise
    except BaseException as exc:
        stands = yield Within(sessions.undo, (loan,))
        if stands and isinstance(exc, Exception) and sqlstate_of(exc) not in SERIALIZATION:
            yield from _record(work, claimed, exc)
        if isinstance(exc, StopIteration):
            raise EscapedStopError(exc) from None
        raise
    return text, value


def _encode(work: Transaction, value: Any) -> str:
    try:
        return work.plan.codec.encode(value)
    except ResultNotStorableError as exc:
        raise ResultNotStorableError(
            f"{exc} Its writes to this database were undone; the execution is recorded as failed, "
            "not retryable.",
            result=value,
        ) from exc


def _record(
    work: Transaction, claimed: Execution, error: Exception
) -> Generator[Command, Any, None]:
    plan = work.plan
    retryable = not isinstance(error, ResultNotStorableError) and plan.retry.is_retryable(error)
    delay = plan.retry.delay_after(claimed.attempt) if retryable else None
    failure = failure_of(error, retryable=retryable, retry_delay=delay)
    try:
        yield from work.within(ExecutionRepository.fail, claimed.id, work.claim.token, failure)
        if work.owned:
            yield Within(sessions.commit, ())
    except Exception as exc:  # noqa: BLE001 # the function's own exception matters more
        error.add_note(f"exec_tracker could not record this failure: {exc}")
    plan.tell(EventName.FAILED, claimed.attempt)

"""Store what came of a run, and never let a failure to store become a second run."""

from __future__ import annotations

import json
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from exec_tracker.errors import (
    ExecTrackerError,
    LeaseLostError,
    OutcomeUnknownError,
    ResultNotStorableError,
    SchemaError,
    StorageError,
    TransientStorageError,
)
from exec_tracker.failures import failure_of
from exec_tracker.fingerprint import same_json
from exec_tracker.flow.commands import Ask, Sleep
from exec_tracker.flow.patience import ask_patiently, pauses
from exec_tracker.policies import EventName
from exec_tracker.repository import ExecutionRepository
from exec_tracker.snapshots import result_of
from exec_tracker.sqlstates import CONNECTION_REFUSED, READ_ONLY, is_unstorable
from exec_tracker.types import ExecutionStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from uuid import UUID

    from exec_tracker.flow.commands import Command
    from exec_tracker.flow.plan import Held, Plan, Pursuit
    from exec_tracker.repository import Failure
    from exec_tracker.snapshots import Seen, StoredRow
    from exec_tracker.types import Execution

    Saving = Generator[Command, Any, Any]

T = TypeVar("T")

# An interrupted process has little time left; its lease tells the rest.
INTERRUPTED_PATIENCE = timedelta(seconds=5)


def save_result(plan: Plan, held: Held, value: Any) -> Saving:
    """Store the result under the claim's token and return what a replay would return.

    Raises ResultNotStorableError, LeaseLostError or StorageError, each carrying the result.
    """
    ran = monotonic() - held.began_at
    try:
        text = plan.codec.encode(value)
    except ResultNotStorableError as exc:
        unstorable = _unstorable(str(exc), value)
        yield from _save_unstorable(plan, held, unstorable, ran)
        raise unstorable from exc
    try:
        stored: Seen | None = yield from _save_despite_interrupt(plan, held, text)
        stored = stored or (yield from _own_earlier_write(held, text))
    except StorageError as exc:
        if is_unstorable(exc):
            unstorable = _unstorable(str(exc), value)
            yield from _save_unstorable(plan, held, unstorable, ran)
            raise unstorable from exc
        exc.result = value
        raise
    if stored is None:
        plan.tell(EventName.LOST, held.found.attempt, seconds=ran)
        raise _lost(held, value)
    plan.tell(EventName.COMPLETED, stored.attempt, seconds=ran)
    return result_of(plan.codec.decode(stored.result_json), stored, cached=False)


def _save_despite_interrupt(
    plan: Plan, held: Held, text: str
) -> Generator[Command, Any, StoredRow | None]:
    """Store the result; an interrupt meanwhile goes on, after a last try to store it.

    An interrupt is whatever the database did not raise: a task queue's time limit is an Exception.
    """
    complete, token = ExecutionRepository.complete_row, held.claim.token
    try:
        return (yield from _save(plan, complete, token, text))
    except (ExecTrackerError, GeneratorExit):
        raise
    except BaseException as interrupt:
        try:
            yield from _save(plan, complete, token, text, INTERRUPTED_PATIENCE)
        except ExecTrackerError as exc:
            interrupt.add_note(f"exec_tracker could not store the result: {exc}")
        raise


def save_failure(
    plan: Plan, held: Held, error: BaseException, *, started: bool, may_retry: bool = True
) -> Saving:
    """Store what the function raised, and return what was stored, or None.

    The caller raises the exception, whatever happens here. An interrupt says nothing about the
    effect, unless the function had not started.
    """
    ran = monotonic() - held.began_at
    interrupted = not isinstance(error, Exception)
    unknown = held.over_unknown
    if started:
        unknown = interrupted or isinstance(error, (OutcomeUnknownError, *plan.unknown_on))
    retryable = may_retry and not unknown and (not started or plan.retry.is_retryable(error))
    failure = failure_of(
        error,
        retryable=retryable,
        outcome_unknown=unknown,
        retry_delay=plan.retry.delay_after(held.found.attempt) if retryable else None,
        limit=plan.max_error_chars,
    )
    patience = min(plan.save_timeout, INTERRUPTED_PATIENCE) if interrupted else plan.save_timeout
    try:
        stored = yield from _save(
            plan, ExecutionRepository.fail, held.claim.token, failure, patience
        )
    except ExecTrackerError as exc:
        error.add_note(f"exec_tracker could not record this failure: {exc}")
        return None
    if stored is None:
        error.add_note("exec_tracker did not record this failure: the claim was lost before.")
    name = EventName.ABANDONED if unknown else EventName.FAILED
    plan.tell(name if stored else EventName.LOST, held.found.attempt, seconds=ran)
    return stored


def withdraw(plan: Plan, pursuit: Pursuit, interrupt: BaseException) -> Saving:
    """Give up a claim that was interrupted, or left in doubt, while it was made.

    Nothing has run under it; what it displaced is left as it was found.
    """
    unknown = pursuit.over_unknown
    failure = failure_of(interrupt, retryable=not unknown, outcome_unknown=unknown)
    try:
        yield from _save(
            plan, ExecutionRepository.fail, pursuit.claim.token, failure, INTERRUPTED_PATIENCE
        )
    except ExecTrackerError as exc:
        interrupt.add_note(f"exec_tracker could not withdraw its claim: {exc}")


def _unstorable(reason: str, value: Any) -> ResultNotStorableError:
    return ResultNotStorableError(
        f"{reason} The function's effect has happened; the execution is recorded as failed, not "
        "retryable, and will not run again by itself.",
        result=value,
    )


def _save_unstorable(plan: Plan, held: Held, error: ResultNotStorableError, ran: float) -> Saving:
    failure = failure_of(error, retryable=False, limit=plan.max_error_chars)
    try:
        yield from _save(plan, ExecutionRepository.fail, held.claim.token, failure)
    except ExecTrackerError as exc:
        error.add_note(f"exec_tracker could not record this either: {exc}")
    plan.tell(EventName.FAILED, held.found.attempt, "result not storable", seconds=ran)


def _save(
    plan: Plan,
    method: Callable[..., T | None],
    token: UUID,
    outcome: str | Failure,
    patience: timedelta | None = None,
) -> Generator[Command, Any, T | None]:
    command = Ask(method, (plan.new.id, token, outcome))
    try:
        written: T | None = yield from insist(command, patience or plan.save_timeout)
    except (StorageError, SchemaError) as exc:
        if not may_pass(exc):
            raise
        raise not_in_time(plan.new.id, exc) from exc
    return written


def insist(command: Ask, patience: timedelta) -> Saving:
    """Repeat a write until it is answered: a token fences it, so it cannot do harm twice.

    Raises what the last try raised: what time would not help, or what may pass after all.
    """
    deadline = monotonic() + patience.total_seconds()
    coming: Iterator[float] | None = None
    while True:
        try:
            return (yield command)
        except (StorageError, SchemaError) as exc:
            coming = coming or pauses()
            pause = next(coming)
            if not may_pass(exc) or monotonic() + pause > deadline:
                raise
        yield Sleep(pause)


def not_in_time(execution_id: str, error: StorageError | SchemaError) -> StorageError:
    """Say that an outcome could not be stored for so long."""
    return StorageError(
        f"The outcome of execution {execution_id!r} could not be stored in time: {error}",
        sqlstate=getattr(error, "sqlstate", None),
        in_doubt=getattr(error, "in_doubt", False),
    )


def may_pass(error: StorageError | SchemaError) -> bool:
    """Tell whether time may help: also a schema that is just being migrated, or a failover.

    A pooler in trouble refuses connections as if the password were wrong, and waiting costs less
    than a result.
    """
    if isinstance(error, StorageError):
        passing = {READ_ONLY, *CONNECTION_REFUSED}
        return isinstance(error, TransientStorageError) or error.sqlstate in passing
    return True


def _own_earlier_write(held: Held, text: str) -> Generator[Command, Any, Execution | None]:
    """Recognise a write of ours whose answer was lost: our token, and the same result."""
    seen: Execution | None = yield from ask_patiently(ExecutionRepository.read, held.found.id)
    if seen is None or seen.status is not ExecutionStatus.COMPLETED:
        return None
    same = seen.claim_token == held.claim.token and same_json(seen.result, json.loads(text))
    return seen if same else None


def _lost(held: Held, value: Any) -> LeaseLostError:
    return LeaseLostError(
        f"Execution {held.found.id!r} was taken over or decided by someone else before attempt "
        f"{held.found.attempt} could store its result, which this error carries. The function "
        "has run; reconcile its effect with the stored outcome.",
        execution=held.execution,
        result=value,
    )

"""The transactional mode: claim, the function's writes and the result in one commit."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from exec_tracker import sessions
from exec_tracker.errors import LeaseLostError, ResultNotStorableError, TransientStorageError
from exec_tracker.failures import failure_of
from exec_tracker.flow.commands import EscapedStopError, Lend, Sleep, Within
from exec_tracker.flow.joining import Transaction, begin
from exec_tracker.flow.patience import PATIENCE_SECONDS, pauses
from exec_tracker.policies import EventName
from exec_tracker.repository import ExecutionRepository
from exec_tracker.sqlstates import SERIALIZATION, sqlstate_of
from exec_tracker.types import ExecutionResult

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy.orm import SessionTransaction

    from exec_tracker.flow.commands import Command
    from exec_tracker.flow.plan import Plan
    from exec_tracker.sessions.loans import Loan
    from exec_tracker.types import Execution

    Transacting = Generator[Command, Any, ExecutionResult[Any]]

# A serialization failure or deadlock is the server's way to say "again"; after this many it is
# contention that the caller should hear of.
_TRIES = 10


def execute_in_transaction(plan: Plan, schema: str | None, *, owned: bool) -> Transacting:
    """Do it all in one transaction; repeat the whole of it where it is ours and was in conflict.

    A commit whose answer was lost is settled by the repetition: it meets our own token. A server
    that is away is waited for as a claim does.
    """
    work = Transaction.of(plan, schema, owned=owned)
    return (yield from (_repeated(work) if owned else _guarded(work)))


def transaction_block(plan: Plan, schema: str | None, *, owned: bool) -> Transacting:
    """Do the same for a block, which cannot be called again: nothing is repeated."""
    work = Transaction.of(plan, schema, owned=owned)
    return (yield from (_once(work) if owned else _guarded(work)))


def _repeated(work: Transaction) -> Transacting:
    lost_at: float | None = None
    for tries, pause in enumerate(pauses(), start=1):
        try:
            return (yield from _once(work))
        except EscapedStopError:
            raise
        except Exception as exc:
            lost = _is_lost(work, exc)
            if lost_at is None and lost:
                lost_at = monotonic()
            is_again = tries < _TRIES and (lost or sqlstate_of(exc) in SERIALIZATION)
            if not (is_again or _is_still_away(work, exc, lost_at)):
                if lost_at is not None and isinstance(exc, TransientStorageError):
                    exc.in_doubt = True  # what was sent before may be committed
                raise
            yield Within(partial(sessions.start_over, broken=lost), ())
        yield Sleep(pause)
    raise AssertionError("pauses never end")  # pragma: no cover


def _is_still_away(work: Transaction, error: Exception, lost_at: float | None) -> bool:
    """Tell whether a server that was lost cannot be reached yet, and may be waited for."""
    if lost_at is None or work.recorded or not isinstance(error, TransientStorageError):
        return False
    return monotonic() < lost_at + PATIENCE_SECONDS


def _guarded(work: Transaction) -> Transacting:
    """Work in the host's transaction: what is kept there is an outcome, never a claim alone."""
    guard = yield Within(sessions.guard, ())
    try:
        result = yield from _once(work)
    except GeneratorExit:
        raise
    except BaseException as exc:
        yield from end_guard(guard, keep=work.recorded, error=exc)
        raise
    yield Within(partial(sessions.end_guard, keep=True), (guard,))
    return result


def end_guard(
    guard: SessionTransaction, *, keep: bool, error: BaseException
) -> Generator[Command, Any, None]:
    """End the guard after an error, which matters more than what may go wrong here."""
    try:
        yield Within(partial(sessions.end_guard, keep=keep), (guard,))
    except Exception as exc:  # noqa: BLE001 # as above
        error.add_note(f"exec_tracker could not end its savepoint: {exc}")


def _is_lost(work: Transaction, error: BaseException) -> bool:
    """Tell whether the connection is gone, and with it all that was not committed.

    What the function raised does not tell: it may be about another database, or about anything.
    """
    return _is_said_to_be_lost(error) if work.lost is None else work.lost


def _is_said_to_be_lost(error: BaseException) -> bool:
    return isinstance(error, TransientStorageError) and error.in_doubt


def _once(work: Transaction) -> Transacting:
    work.lost = None
    claimed = yield from begin(work)
    if isinstance(claimed, ExecutionResult):
        return claimed
    loan = yield Within(sessions.lend, ())
    began = monotonic()
    try:
        try:
            value = yield Lend(work.plan.executor)
        finally:
            work.ran = monotonic() - began
        text = yield from _keep(work, loan, value)
    except GeneratorExit:
        raise
    except BaseException as exc:
        yield from give_up(work, claimed, loan, exc)
        if isinstance(exc, StopIteration):
            raise EscapedStopError(exc) from None
        raise
    return (yield from _complete(work, claimed, value, text))


def give_up(
    work: Transaction, claimed: Execution, loan: Loan, error: BaseException
) -> Generator[Command, Any, None]:
    """Undo what was written on loan, and record the failure where the transaction still stands.

    An interrupt leaves nothing: the host's transaction is the host's to end, and ours is undone.
    """
    try:
        stands = yield Within(sessions.undo, (loan,))
    except Exception as exc:  # noqa: BLE001 # the function's own exception matters more
        work.lost = loan.is_lost or _is_said_to_be_lost(exc)
        error.add_note(f"exec_tracker could not undo its savepoint: {exc}")
        return
    work.lost = loan.is_lost
    is_repeated = work.lost or sqlstate_of(error) in SERIALIZATION
    if stands and isinstance(error, Exception) and not is_repeated:
        yield from _record(work, claimed, error)


def _keep(work: Transaction, loan: Loan, value: Any) -> Generator[Command, Any, str]:
    text = _encode(work, value)
    yield Within(sessions.keep, (loan,))
    return text


def _complete(work: Transaction, claimed: Execution, value: Any, text: str) -> Transacting:
    stored: Execution | None = yield from work.within(
        ExecutionRepository.complete, claimed.id, work.claim.token, text
    )
    if stored is None:
        work.plan.tell(EventName.LOST, claimed.attempt, seconds=work.ran)
        raise LeaseLostError(execution=claimed, result=value)
    if work.owned:
        yield Within(sessions.commit, ())
    work.plan.tell(EventName.COMPLETED, stored.attempt, seconds=work.ran)
    data = work.plan.codec.decode(stored.result_json)
    return ExecutionResult(data, cached=False, execution=stored)


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
    failure = failure_of(error, retryable=retryable, retry_delay=delay, limit=plan.max_error_chars)
    try:
        yield from work.within(ExecutionRepository.fail, claimed.id, work.claim.token, failure)
        if work.owned:
            yield Within(sessions.commit, ())
        work.recorded = True
    except Exception as exc:  # noqa: BLE001 # the function's own exception matters more
        error.add_note(f"exec_tracker could not record this failure: {exc}")
    plan.tell(EventName.FAILED, claimed.attempt, seconds=work.ran)

"""What is decided by hand: resolve, reset, erase, delete, purge."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import (
    ConfigurationError,
    ExecutionAbandonedError,
    ExecutionFailedError,
    ExecutionStatus,
    IllegalTransitionError,
    OutcomeUnknownError,
    ResultErasedError,
)
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.testing import DatabaseClock
    from tests.support.database import Database
    from tests.support.fixtures import Running
    from tests.support.subjects import Subject

DAY = timedelta(days=1)


@pytest.fixture(params=["lease ran out", "outcome unknown"])
def abandoned(
    request: pytest.FixtureRequest, subject: Subject, user_id: UUID, database_clock: DatabaseClock
) -> str:
    """The key of an execution that nobody knows the outcome of."""
    if request.param == "lease ran out":
        subject.create_execution(options("k", user_id))
        subject.mark_running("k", lease=DAY)
        database_clock.advance(DAY)
    else:
        with pytest.raises(OutcomeUnknownError):
            subject.execute(options("k", user_id), Calls(raises=OutcomeUnknownError("timeout")))
    return "k"


def test_resolving_with_a_result_makes_it_the_outcome(
    subject: Subject, user_id: UUID, abandoned: str
) -> None:
    assert subject.resolve(abandoned, result=None).status is ExecutionStatus.COMPLETED
    replayed = subject.execute(options("k", user_id), Calls())
    assert (replayed.data, replayed.cached) == (None, True)


def test_resolving_with_an_error_lets_the_next_call_run(
    subject: Subject, user_id: UUID, abandoned: str
) -> None:
    assert subject.resolve(abandoned, error="it did not happen").status is ExecutionStatus.FAILED
    assert subject.execute_idempotent(options("k", user_id), Calls("now")) == "now"


def test_resolving_with_a_final_error_lets_nobody_run(
    subject: Subject, user_id: UUID, abandoned: str
) -> None:
    subject.resolve(abandoned, error="half of it happened", retryable=False)
    calls = Calls()
    with pytest.raises(ExecutionFailedError, match="half of it happened"):
        subject.execute(options("k", user_id), calls)
    assert calls.count == 0


def test_the_abandoned_attempt_is_in_the_history_after_resolving(
    subject: Subject, abandoned: str
) -> None:
    subject.resolve(abandoned, error="no")
    (attempt,) = subject.get_attempts(abandoned)
    assert attempt.attempt == 1


def test_what_is_not_abandoned_cannot_be_resolved(
    subject: Subject, user_id: UUID, running: Running
) -> None:
    executor, first = running(subject, options("k", user_id))
    with pytest.raises(IllegalTransitionError, match="live lease"):
        subject.resolve("k", result=1)
    executor.release()
    first.result()
    with pytest.raises(IllegalTransitionError):
        subject.resolve("k", error="no")
    subject.create_execution(options("l", user_id))
    with pytest.raises(IllegalTransitionError):
        subject.resolve("l", result=1)


@pytest.mark.parametrize("arguments", [{}, {"result": 1, "error": "no"}])
def test_resolving_needs_exactly_one_answer(subject: Subject, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="result= or error="):
        subject.resolve("k", **arguments)


def test_resetting_an_abandoned_execution_lets_the_next_call_run(
    subject: Subject, user_id: UUID, abandoned: str
) -> None:
    assert subject.reset(abandoned).status is ExecutionStatus.PENDING
    done = subject.execute(options("k", user_id), Calls("now"))
    assert (done.data, done.execution.attempt) == ("now", 2)
    (attempt,) = subject.get_attempts("k")
    assert attempt.outcome == "abandoned"


def test_what_runs_under_a_live_lease_cannot_be_reset_or_deleted(
    subject: Subject, user_id: UUID, running: Running
) -> None:
    executor, first = running(subject, options("k", user_id))
    for verb in (subject.reset, subject.delete, subject.erase):
        with pytest.raises(IllegalTransitionError):
            verb("k")
    executor.release()
    assert first.result() == "done"


def test_an_erased_key_stays_used_and_tells_that_its_result_is_gone(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    asked = options("k", user_id, parameters={"name": "Ada"})
    subject.execute(asked, Calls({"iban": "DE00"}))
    subject.erase("k")
    subject.erase("k")
    row = database.row("k")
    assert (row["result"], row["parameters"], row["status"]) == (None, None, "completed")
    calls = Calls()
    with pytest.raises(ResultErasedError) as caught:
        subject.execute(asked, calls)
    assert caught.value.execution is not None
    assert calls.count == 0
    with pytest.raises(IllegalTransitionError):
        subject.mark_completed("k", None)


def test_erasing_a_failure_blanks_its_history_and_keeps_what_it_decides(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    with pytest.raises(OutcomeUnknownError):
        subject.execute(options("k", user_id), Calls(raises=OutcomeUnknownError("Ada's card")))
    subject.erase("k")
    assert "Ada" not in f"{database.row('k')} {database.attempts('k')}"
    with pytest.raises(ExecutionAbandonedError):
        subject.execute(options("k", user_id), Calls())


def test_deleting_frees_the_key_and_takes_the_history_along(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    with pytest.raises(ValueError, match="no"):
        subject.execute(options("k", user_id), Calls(raises=ValueError("no")))
    subject.delete("k")
    assert database.attempts("k") == []
    assert subject.execute(options("k", user_id), Calls()).execution.attempt == 1


def test_purging_takes_completed_executions_by_the_time_they_ended(
    subject: Subject, user_id: UUID, database_clock: DatabaseClock, database: Database
) -> None:
    subject.create_execution(options("long", user_id))
    for key in ("a", "b", "c"):
        subject.execute(options(key, user_id), Calls())
    database_clock.advance(2 * DAY)
    subject.execute(options("new", user_id), Calls())
    subject.mark_completed("long", "begun long ago, ended just now")
    assert subject.purge(DAY, batch_size=2) == 3
    left = {row["id"] for row in database.all("SELECT id FROM workflow_executions")}
    assert left == {"long", "new"}


def test_purging_leaves_failed_running_and_pending_unless_told(
    subject: Subject, user_id: UUID, database_clock: DatabaseClock, database: Database
) -> None:
    subject.create_execution(options("pending", user_id))
    subject.create_execution(options("running", user_id))
    subject.mark_running("running", lease=DAY)
    subject.create_execution(options("failed", user_id))
    subject.mark_failed("failed", "no")
    database_clock.advance(2 * DAY)
    assert subject.purge(DAY) == 0
    assert subject.purge(DAY, statuses=("failed",)) == 1
    left = {row["id"] for row in database.all("SELECT id FROM workflow_executions")}
    assert left == {"pending", "running"}


@pytest.mark.parametrize("statuses", [(), ("running",), ("completed", "pending"), ("nonsense",)])
def test_purging_refuses_what_has_not_ended(subject: Subject, statuses: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError):
        subject.purge(DAY, statuses=statuses)


def test_purging_skips_rows_that_others_hold(
    subject: Subject, user_id: UUID, database_clock: DatabaseClock, database: Database
) -> None:
    for key in ("a", "b"):
        subject.execute(options(key, user_id), Calls())
    database_clock.advance(2 * DAY)
    with database.locked("SELECT 1 FROM workflow_executions WHERE id = 'a' FOR KEY SHARE"):
        assert subject.purge(DAY) == 1
    assert subject.purge(DAY) == 1

"""What is counted and measured, and what a count of the abandoned costs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import (
    ExecutionInProgressError,
    IdempotencyKeyReusedError,
    OutcomeUnknownError,
    StorageError,
)
from tests.support.database import eventually
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.otel.recorded import Telemetry
    from tests.support.database import Database
    from tests.support.fixtures import NewSubject, Running
    from tests.support.subjects import Subject

SHORTLY = timedelta(milliseconds=50)
EXECUTIONS = "exec_tracker.executions"
RENEWALS = "exec_tracker.lease.renewals"
ABANDONED = "exec_tracker.abandoned"


def test_executions_are_counted_by_how_they_ended(
    watched: Subject, telemetry: Telemetry, user_id: UUID
) -> None:
    for key in ("a", "a", "b"):
        watched.execute(options(key, user_id), Calls())
    with pytest.raises(ValueError, match="declined"):
        watched.execute(options("c", user_id), Calls(raises=ValueError("declined")))
    with pytest.raises(IdempotencyKeyReusedError):
        watched.execute(options("a", user_id, workflow_id="other"), Calls())
    by = ("exec_tracker.workflow.id", "exec_tracker.outcome", "error.type")
    assert telemetry.counted(EXECUTIONS, *by) == {
        ("w", "completed", None): 2,
        ("w", "replayed", None): 1,
        ("w", "failed", "ValueError"): 1,
        ("other", "refused", "exec_tracker.errors.IdempotencyKeyReusedError"): 1,
    }


def test_metrics_hold_no_key_and_no_user(
    watched: Subject, telemetry: Telemetry, user_id: UUID
) -> None:
    watched.execute(options("k", user_id), Calls())
    (executed,) = telemetry.points(EXECUTIONS)
    assert dict(executed.attributes) == {
        "exec_tracker.method": "execute",
        "exec_tracker.workflow.id": "w",
        "exec_tracker.outcome": "completed",
    }
    (ran,) = telemetry.points("exec_tracker.run.duration")
    assert dict(ran.attributes) == {
        "exec_tracker.workflow.id": "w",
        "exec_tracker.outcome": "completed",
    }


def test_run_and_wait_times_are_measured_in_seconds(
    watched: Subject, telemetry: Telemetry, user_id: UUID, running: Running
) -> None:
    executor, first = running(watched, options("k", user_id))
    with pytest.raises(ExecutionInProgressError):
        watched.execute(options("k", user_id), Calls(), on_running="wait", wait_timeout=SHORTLY)
    executor.release()
    first.result()
    (ran,) = telemetry.points("exec_tracker.run.duration")
    (waited,) = telemetry.points("exec_tracker.wait.duration")
    assert (ran.count, waited.count) == (1, 1)
    # The time that may be waited is counted from when the row was seen, a little before the wait.
    assert SHORTLY.total_seconds() / 2 < waited.sum < ran.sum < 100


def test_renewals_are_counted_by_what_came_of_them(
    watched: Subject,
    telemetry: Telemetry,
    user_id: UUID,
    running: Running,
    database: Database,
) -> None:
    def renewed(outcome: str) -> float:
        return telemetry.counted(RENEWALS, "exec_tracker.outcome").get((outcome,), 0)

    _, first = running(watched, options("k", user_id), lease=timedelta(milliseconds=300))
    eventually(lambda: renewed("renewed") >= 2)
    with database.locked("SELECT FROM workflow_executions FOR UPDATE"):
        eventually(lambda: renewed("skipped") >= 1)
    database.run("DELETE FROM workflow_executions")
    eventually(lambda: renewed("lost") == 1)
    _, second = running(watched, options("j", user_id), lease=timedelta(milliseconds=300))
    database.run("ALTER TABLE workflow_executions RENAME TO away")
    eventually(lambda: renewed("failed") >= 1)
    database.run("ALTER TABLE away RENAME TO workflow_executions")
    assert not first.done()
    assert not second.done()


class Asked:
    """Counts how often the database was asked for the abandoned."""

    def __init__(self, subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        count = subject.tracker.count_abandoned

        def counting(**keywords: Any) -> Any:
            self.times += 1
            return count(**keywords)

        monkeypatch.setattr(subject.tracker, "count_abandoned", counting)


def leave_unknown(subject: Subject, user_id: UUID, *keys: str) -> None:
    """Make executions whose outcome is unknown."""
    for key in keys:
        with pytest.raises(OutcomeUnknownError):
            subject.execute(options(key, user_id), Calls(raises=OutcomeUnknownError("no answer")))


def test_the_abandoned_are_counted_when_collected_and_not_more_often_than_asked(
    subject: Subject, telemetry: Telemetry, user_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(subject, monkeypatch)
    telemetry.attach(subject.tracker, abandoned_every=timedelta(hours=1))
    leave_unknown(subject, user_id, "a", "b")
    assert asked.times == 0
    eventually(lambda: telemetry.counted(ABANDONED) == {(): 2})
    leave_unknown(subject, user_id, "c")
    assert telemetry.counted(ABANDONED) == {(): 2}
    assert asked.times == 1


def test_the_count_follows_once_it_may_ask_again(
    subject: Subject, telemetry: Telemetry, user_id: UUID
) -> None:
    telemetry.attach(subject.tracker, abandoned_every=timedelta(0))
    leave_unknown(subject, user_id, "a")
    eventually(lambda: telemetry.counted(ABANDONED) == {(): 1})
    subject.resolve("a", result="done")
    eventually(lambda: telemetry.counted(ABANDONED) == {(): 0})


def test_where_the_count_fails_there_is_none_rather_than_an_old_one(
    subject: Subject, telemetry: Telemetry, user_id: UUID, database: Database
) -> None:
    telemetry.attach(subject.tracker, abandoned_every=timedelta(0))
    leave_unknown(subject, user_id, "a")
    eventually(lambda: telemetry.counted(ABANDONED) == {(): 1})
    database.run("ALTER TABLE workflow_executions RENAME TO away")
    eventually(lambda: telemetry.counted(ABANDONED) == {})
    database.run("ALTER TABLE away RENAME TO workflow_executions")
    eventually(lambda: telemetry.counted(ABANDONED) == {(): 1})


def test_a_closed_tracker_is_not_asked_any_more(
    subject: Subject, telemetry: Telemetry, user_id: UUID
) -> None:
    telemetry.attach(subject.tracker, abandoned_every=timedelta(0))
    leave_unknown(subject, user_id, "a")
    subject.close_tracker()
    assert telemetry.counted(ABANDONED) == {}


def test_two_trackers_share_one_gauge(
    new_subject: NewSubject, telemetry: Telemetry, user_id: UUID, empty_database_url: str
) -> None:
    subject, elsewhere = new_subject(), new_subject(empty_database_url)
    telemetry.attach(elsewhere.tracker, abandoned_every=timedelta(0))
    telemetry.attach(subject.tracker, abandoned_every=timedelta(0))
    leave_unknown(subject, user_id, "a")
    counted = {(subject.tracker.database_name,): 1}
    eventually(lambda: telemetry.counted(ABANDONED, "db.namespace") == counted)


def test_the_count_stops_at_its_limit_and_at_its_timeout(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    leave_unknown(subject, user_id, "a", "b", "c")
    assert subject.count_abandoned() == 3
    assert subject.count_abandoned(limit=2) == 2
    with database.locked("LOCK TABLE workflow_executions"), pytest.raises(StorageError) as gave_up:
        subject.count_abandoned(timeout=SHORTLY)
    assert gave_up.value.sqlstate == "57014"
    assert subject.host_query("SHOW statement_timeout") == "0"

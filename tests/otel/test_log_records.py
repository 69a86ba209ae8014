"""Decisions as log records: off unless asked, with the names of telemetry."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import LeaseLostError, OutcomeUnknownError
from exec_tracker.integrations.log_records import log_events
from tests.otel.recorded import events
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.otel.recorded import Telemetry
    from tests.support.database import Database
    from tests.support.fixtures import NewSubject
    from tests.support.subjects import Subject

LOGGER = "exec_tracker.events"


def about(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record says about a decision."""
    names = ("exec_tracker.", "event.", "user.", "error.")
    return {name: value for name, value in vars(record).items() if name.startswith(names)}


def records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Of decisions alone: a tracker of another test may still warn about its heartbeat."""
    return [one for one in caplog.records if one.name == LOGGER]


def test_nothing_is_logged_unless_asked(
    subject: Subject, user_id: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    subject.execute(options("k", user_id), Calls())
    assert records(caplog) == []


def test_each_decision_is_a_record_with_the_names_of_telemetry(
    subject: Subject, user_id: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    log_events(subject.tracker)
    subject.execute(options("secret", user_id, parameters={"card": "secret"}), Calls("secret"))
    claimed, completed = records(caplog)
    assert claimed.getMessage() == "execute w: claimed"
    assert about(claimed) == {
        "event.name": "exec_tracker.claimed",
        "exec_tracker.method": "execute",
        "exec_tracker.workflow.id": "w",
        "exec_tracker.attempt": 1,
    }
    said = about(completed)
    assert said.pop("exec_tracker.duration") >= 0
    assert said == {**about(claimed), "event.name": "exec_tracker.completed"}
    assert "secret" not in str([vars(record) for record in records(caplog)])


def test_keys_and_users_are_logged_where_asked(
    subject: Subject, user_id: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    log_events(subject.tracker, record_keys=True)
    subject.execute(options("k", user_id), Calls())
    assert (
        about(records(caplog)[0]).items()
        >= {
            "exec_tracker.execution.id": "k",
            "user.id": str(user_id),
        }.items()
    )


def test_the_level_says_how_bad_it_is(
    subject: Subject, user_id: UUID, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    log_events(subject.tracker)
    with pytest.raises(OutcomeUnknownError):
        subject.execute(options("a", user_id), Calls(raises=OutcomeUnknownError("no answer")))
    subject.execute(options("a", user_id), Calls(), on_abandoned="retry")

    def deleting() -> None:
        database.run("DELETE FROM workflow_executions WHERE id = 'b'")

    with pytest.raises(LeaseLostError):
        subject.execute(options("b", user_id), deleting)
    database.run("DROP TABLE workflow_execution_attempts, workflow_executions")
    with pytest.raises(Exception, match="workflow_executions"):
        subject.execute(options("c", user_id), Calls())
    seen = [(record.levelname, about(record)["event.name"][13:]) for record in records(caplog)]
    assert seen == [
        ("INFO", "claimed"),
        ("ERROR", "abandoned"),
        ("WARNING", "taken_over"),
        ("INFO", "completed"),
        ("INFO", "claimed"),
        ("ERROR", "lost"),
        ("ERROR", "error"),
    ]
    assert about(records(caplog)[-1])["error.type"].startswith("exec_tracker.errors.")


def test_records_and_spans_can_be_had_together(
    new_subject: NewSubject, telemetry: Telemetry, user_id: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    subject = new_subject()
    log_events(telemetry.attach(subject.tracker))
    subject.execute(options("k", user_id), Calls())
    (span,) = telemetry.spans()
    names = [about(record)["event.name"] for record in records(caplog)]
    assert [f"exec_tracker.{name}" for name in events(span)] == names

"""One span per call: what it says, whose child it is, what it keeps to itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import StatusCode
from sqlalchemy.engine import make_url

from exec_tracker import (
    ExecutionAbandonedError,
    ExecutionActor,
    ExecutionFailedError,
    ExecutionInProgressError,
    IdempotencyKeyReusedError,
    KeyScope,
    LeaseLostError,
    OutcomeUnknownError,
)
from tests.otel.recorded import events, span_id
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.otel.recorded import Telemetry
    from tests.support.database import Database
    from tests.support.fixtures import NewSubject, Running
    from tests.support.subjects import Subject

EXECUTE = "exec_tracker.execute w"
SHORTLY = timedelta(milliseconds=50)


def test_an_execution_is_one_span_that_says_what_ran_and_how_it_ended(
    watched: Subject, telemetry: Telemetry, user_id: UUID, database: Database
) -> None:
    asked = options("k", user_id, workflow_name="Work", actor=ExecutionActor.WEBHOOK)
    watched.execute(asked, Calls())
    (span,) = telemetry.spans()
    assert span.name == EXECUTE
    assert dict(span.attributes or {}) == {
        "db.system.name": "postgresql",
        "db.namespace": make_url(database.url).database,
        "exec_tracker.method": "execute",
        "exec_tracker.workflow.id": "w",
        "exec_tracker.workflow.name": "Work",
        "exec_tracker.actor": "webhook",
        "exec_tracker.attempt": 1,
        "exec_tracker.outcome": "completed",
    }
    assert events(span) == ["claimed", "completed"]
    assert span.status.status_code is StatusCode.UNSET
    assert span.events[1].attributes is not None
    assert float(str(span.events[1].attributes["exec_tracker.duration"])) >= 0


def test_a_replay_is_a_span_of_its_own(
    watched: Subject, telemetry: Telemetry, user_id: UUID
) -> None:
    for _ in range(2):
        watched.execute(options("k", user_id), Calls())
    first, second = telemetry.spans()
    assert events(first) == ["claimed", "completed"]
    assert events(second) == ["replayed"]
    assert (second.attributes or {})["exec_tracker.outcome"] == "replayed"


def test_a_call_is_a_child_of_what_is_current_and_what_the_function_traces_is_its_child(
    watched: Subject, telemetry: Telemetry, user_id: UUID
) -> None:
    def traced() -> str:
        with telemetry.span("inner"):
            return "done"

    with telemetry.span("outer"):
        watched.execute(options("k", user_id), traced)
    outer, call, inner = (telemetry.only(name) for name in ("outer", EXECUTE, "inner"))
    assert call.parent is not None
    assert call.parent.span_id == span_id(outer)
    assert inner.parent is not None
    assert inner.parent.span_id == span_id(call)


def test_after_the_call_what_was_current_is_current_again(
    watched: Subject, telemetry: Telemetry, user_id: UUID
) -> None:
    with telemetry.span("outer"):
        watched.execute(options("k", user_id), Calls())
        with telemetry.span("after"):
            pass
    after = telemetry.only("after")
    assert after.parent is not None
    assert after.parent.span_id == span_id(telemetry.only("outer"))


def test_a_failure_is_an_error_of_the_exceptions_type(
    watched: Subject, telemetry: Telemetry, user_id: UUID
) -> None:
    with pytest.raises(ValueError, match="declined"):
        watched.execute(options("k", user_id), Calls(raises=ValueError("declined")))
    (span,) = telemetry.spans()
    assert events(span) == ["claimed", "failed", "exception"]
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "ValueError"
    attributes = span.attributes or {}
    assert attributes["error.type"] == "ValueError"
    assert attributes["exec_tracker.outcome"] == "failed"
    exception = span.events[2].attributes or {}
    assert exception["exception.type"] == "ValueError"
    assert "in __call__" in str(exception["exception.stacktrace"])


def test_an_unknown_outcome_is_told_as_abandoned(
    watched: Subject, telemetry: Telemetry, user_id: UUID
) -> None:
    with pytest.raises(OutcomeUnknownError):
        watched.execute(options("k", user_id), Calls(raises=OutcomeUnknownError("no answer")))
    (span,) = telemetry.spans()
    assert events(span) == ["claimed", "abandoned", "exception"]
    assert (span.attributes or {})["exec_tracker.outcome"] == "abandoned"
    assert span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ({"workflow_id": "other"}, IdempotencyKeyReusedError),
        ({"on_failed": "raise"}, ExecutionFailedError),
    ],
)
def test_a_refusal_is_told_and_is_no_error_since_nothing_was_tried(
    watched: Subject,
    telemetry: Telemetry,
    user_id: UUID,
    asked: dict[str, Any],
    refused: type[Exception],
) -> None:
    with pytest.raises(ValueError, match="declined"):
        watched.execute(options("k", user_id), Calls(raises=ValueError("declined")))
    settings = {name: value for name, value in asked.items() if name != "workflow_id"}
    again = options("k", user_id, workflow_id=asked.get("workflow_id", "w"))
    with pytest.raises(refused):
        watched.execute(again, Calls(), **settings)
    span = telemetry.spans()[-1]
    assert events(span) == ["refused", "exception"]
    assert span.status.status_code is StatusCode.UNSET
    attributes = span.attributes or {}
    assert attributes["exec_tracker.outcome"] == "refused"
    assert attributes["error.type"] == f"exec_tracker.errors.{refused.__name__}"


def test_a_call_on_what_is_running_is_refused_at_once_or_after_it_has_waited(
    watched: Subject, telemetry: Telemetry, user_id: UUID, running: Running
) -> None:
    executor, first = running(watched, options("k", user_id))
    with pytest.raises(ExecutionInProgressError):
        watched.execute(options("k", user_id), Calls())
    with pytest.raises(ExecutionInProgressError):
        watched.execute(options("k", user_id), Calls(), on_running="wait", wait_timeout=SHORTLY)
    executor.release()
    assert first.result() == "done"
    at_once, late, _ = telemetry.spans()
    assert events(at_once) == ["refused", "exception"]
    assert events(late) == ["waited", "refused", "exception"]
    waited = float(str((late.events[0].attributes or {})["exec_tracker.duration"]))
    assert waited >= SHORTLY.total_seconds()


def test_a_take_over_is_told_by_the_new_owner_and_the_loss_by_the_old_one(
    watched: Subject,
    telemetry: Telemetry,
    user_id: UUID,
    running: Running,
    database: Database,
) -> None:
    executor, first = running(watched, options("k", user_id), lease=None)
    database.run(
        "UPDATE workflow_executions SET lease_expires_at = clock_timestamp() - interval '1 s'"
    )
    with pytest.raises(ExecutionAbandonedError):
        watched.execute(options("k", user_id), Calls())
    watched.execute(options("k", user_id), Calls("second"), on_abandoned="retry")
    executor.release()
    with pytest.raises(LeaseLostError):
        first.result()
    refused, second, lost = telemetry.spans()
    assert events(refused) == ["refused", "exception"]
    assert events(second) == ["taken_over", "completed"]
    assert (second.attributes or {})["exec_tracker.attempt"] == 2
    assert events(lost) == ["claimed", "lost", "exception"]
    assert (lost.attributes or {})["exec_tracker.outcome"] == "lost"


def test_nothing_that_may_identify_people_is_recorded_unless_asked(
    new_subject: NewSubject, telemetry: Telemetry, user_id: UUID
) -> None:
    private, open_ = new_subject(), new_subject()
    telemetry.attach(private.tracker)
    telemetry.attach(open_.tracker, record_keys=True, record_messages=True)
    asked = options(
        "key of Ada Lovelace", user_id, parameters={"card": "4242-4242"}, key_scope=KeyScope.USER
    )
    for subject in (private, open_):
        with pytest.raises(ValueError, match="Ada"):
            subject.execute(asked, Calls(raises=ValueError("card of Ada Lovelace declined")))
        subject.execute(asked, Calls("result for Ada Lovelace"))
        with pytest.raises(IdempotencyKeyReusedError):
            subject.execute(asked.model_copy(update={"parameters": {}}), Calls())
        subject.delete(asked.execution_id)
    written = [span.to_json() for span in telemetry.spans()]
    for text in written[:3]:
        assert not any(secret in text for secret in ("Lovelace", "4242-4242", str(user_id)))
    for text in written[3:]:
        assert f'"exec_tracker.execution.id": "{user_id}:key of Ada Lovelace"' in text
        assert f'"user.id": "{user_id}"' in text
    assert "card of Ada Lovelace declined" in written[3]
    assert not any("4242-4242" in text or "result for" in text for text in written)


def test_an_interrupt_ends_the_span(watched: Subject, telemetry: Telemetry, user_id: UUID) -> None:
    with pytest.raises(KeyboardInterrupt):
        watched.execute(options("k", user_id), Calls(raises=KeyboardInterrupt()))
    (span,) = telemetry.spans()
    assert (span.attributes or {})["exec_tracker.outcome"] == "abandoned"
    assert (span.attributes or {})["error.type"] == "KeyboardInterrupt"


def test_a_database_that_cannot_be_used_is_an_error_with_its_sqlstate(
    watched: Subject, telemetry: Telemetry, user_id: UUID, database: Database
) -> None:
    database.run("DROP TABLE workflow_executions CASCADE")
    with pytest.raises(Exception, match="exec_tracker tables"):
        watched.execute(options("k", user_id), Calls())
    (span,) = telemetry.spans()
    assert (span.attributes or {})["exec_tracker.outcome"] == "error"
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "exec_tracker.errors.MigrationRequiredError"


def test_instrumenting_twice_changes_nothing(
    watched: Subject, telemetry: Telemetry, user_id: UUID
) -> None:
    assert telemetry.attach(watched.tracker) is watched.tracker
    watched.execute(options("k", user_id), Calls())
    assert len(telemetry.spans()) == 1

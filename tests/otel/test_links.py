"""Traces that belong together: a later call links to the trace of the execution it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exec_tracker import ExecutionInProgressError, IdempotencyKeyReusedError, OutcomeUnknownError
from tests.otel.recorded import linked, span_id
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from opentelemetry.sdk.trace import ReadableSpan

    from tests.otel.recorded import Telemetry
    from tests.support.database import Database
    from tests.support.fixtures import NewSubject, Running
    from tests.support.subjects import Subject


def traceparent(span: ReadableSpan) -> str:
    """Write a span as W3C Trace Context does."""
    context = span.get_span_context()
    assert context is not None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def test_the_row_holds_the_trace_of_the_call_that_claimed_it(
    watched: Subject, telemetry: Telemetry, user_id: UUID
) -> None:
    watched.execute(options("k", user_id), Calls())
    (span,) = telemetry.spans()
    assert watched.get_execution("k").trace_context == traceparent(span)


def test_a_replay_links_to_the_trace_that_ran_it(
    watched: Subject, telemetry: Telemetry, user_id: UUID
) -> None:
    watched.execute(options("k", user_id), Calls())
    watched.execute(options("k", user_id), Calls())
    first, second = telemetry.spans()
    assert linked(second) == [span_id(first)]
    assert linked(first) == []


def test_a_take_over_links_to_the_trace_it_takes_over_and_is_what_a_replay_links_to(
    watched: Subject, telemetry: Telemetry, user_id: UUID
) -> None:
    with pytest.raises(OutcomeUnknownError):
        watched.execute(options("k", user_id), Calls(raises=OutcomeUnknownError("no answer")))
    watched.execute(options("k", user_id), Calls(), on_abandoned="retry")
    watched.execute(options("k", user_id), Calls())
    first, second, replay = telemetry.spans()
    assert linked(second) == [span_id(first)]
    assert linked(replay) == [span_id(second)]
    why = [dict(link.attributes or {}) for link in (*second.links, *replay.links)]
    assert why == [
        {"event.name": "exec_tracker.taken_over"},
        {"event.name": "exec_tracker.replayed"},
    ]
    assert watched.get_execution("k").trace_context == traceparent(second)


def test_a_retry_links_to_the_trace_of_the_failure(
    watched: Subject, telemetry: Telemetry, user_id: UUID
) -> None:
    with pytest.raises(ValueError, match="declined"):
        watched.execute(options("k", user_id), Calls(raises=ValueError("declined")))
    watched.execute(options("k", user_id), Calls())
    first, second = telemetry.spans()
    assert linked(second) == [span_id(first)]


def test_a_refused_call_links_to_the_trace_that_is_running(
    watched: Subject, telemetry: Telemetry, user_id: UUID, running: Running
) -> None:
    executor, first = running(watched, options("k", user_id))
    with pytest.raises(ExecutionInProgressError):
        watched.execute(options("k", user_id), Calls())
    executor.release()
    first.result()
    refused, ran = telemetry.spans()
    assert linked(refused) == [span_id(ran)]


def test_another_users_trace_is_not_linked(
    watched: Subject, telemetry: Telemetry, user_id: UUID, other_user_id: UUID
) -> None:
    watched.execute(options("k", user_id), Calls())
    with pytest.raises(IdempotencyKeyReusedError):
        watched.execute(options("k", other_user_id), Calls())
    assert linked(telemetry.spans()[-1]) == []


def test_what_ends_by_a_callback_links_to_the_trace_that_began_it(
    watched: Subject, telemetry: Telemetry, user_id: UUID
) -> None:
    watched.create_execution(options("k", user_id))
    watched.mark_running("k")
    watched.mark_completed("k", {"paid": 3})
    created, began, ended = telemetry.spans()
    names = [span.name for span in (created, began, ended)]
    assert names == [
        "exec_tracker.create_execution w",
        "exec_tracker.mark_running",
        "exec_tracker.mark_completed",
    ]
    assert linked(began) == [span_id(created)]
    assert linked(ended) == [span_id(created)]
    assert (ended.attributes or {})["exec_tracker.workflow.id"] == "w"


def test_a_trace_of_the_hosts_own_choice_is_stored_instead(
    new_subject: NewSubject, telemetry: Telemetry, user_id: UUID
) -> None:
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    subject = new_subject(trace_context=lambda: given)
    telemetry.attach(subject.tracker)
    subject.execute(options("k", user_id), Calls())
    subject.execute(options("k", user_id), Calls())
    assert subject.get_execution("k").trace_context == given
    assert linked(telemetry.spans()[1]) == [0xB7AD6B7169203331]


def test_what_is_no_trace_context_is_not_linked(
    watched: Subject, telemetry: Telemetry, user_id: UUID, database: Database
) -> None:
    database.adopt("k", user_id, "completed", result="done", trace_context="not a trace")
    watched.execute(options("k", user_id), Calls())
    assert linked(telemetry.spans()[0]) == []


def test_without_a_tracer_nothing_is_stored(subject: Subject, user_id: UUID) -> None:
    subject.execute(options("k", user_id), Calls())
    assert subject.get_execution("k").trace_context is None

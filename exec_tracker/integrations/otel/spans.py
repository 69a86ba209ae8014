"""The span of one call: an event per decision, links to earlier traces, how it ended."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from exec_tracker.errors import StorageError
from exec_tracker.integrations import telemetry

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from opentelemetry.trace import Span, SpanContext

    from exec_tracker.policies import ExecutionEvent


_PROPAGATOR = TraceContextTextMapPropagator()


class CallSpan:
    """Writes what is known of a call onto its span, and ends it."""

    def __init__(self, span: Span, *, record_messages: bool) -> None:
        """Take over a span that was just started."""
        self._span = span
        self._record_messages = record_messages
        self._linked: set[str] = set()

    def current(self) -> AbstractContextManager[Any]:
        """Make it the parent of what is started in the block, which does not end it."""
        return trace.use_span(
            self._span, end_on_exit=False, record_exception=False, set_status_on_exception=False
        )

    def add(self, event: ExecutionEvent) -> None:
        """Add a decision, and a link to the trace of the execution that was found."""
        if not self._span.is_recording():
            return
        self._span.add_event(telemetry.event_name(event), telemetry.event_attributes(event))
        if event.attempt:
            self._span.set_attribute(telemetry.ATTEMPT, event.attempt)
        if event.trace_context is not None and event.trace_context not in self._linked:
            self._linked.add(event.trace_context)
            origin = span_context(event.trace_context)
            if origin is not None and origin != self._span.get_span_context():
                self._span.add_link(origin, {telemetry.EVENT_NAME: telemetry.event_name(event)})

    def end(self, outcome: str, workflow_id: str | None, error: BaseException | None) -> None:
        """Say how it ended. A refusal is recorded, and is not an error: nothing was tried."""
        if self._span.is_recording():
            self._span.set_attribute(telemetry.OUTCOME, outcome)
            if workflow_id is not None:
                self._span.set_attribute(telemetry.WORKFLOW_ID, workflow_id)
            if error is not None:
                self._record(error)
            if outcome in telemetry.UNSUCCESSFUL:
                self._span.set_status(Status(StatusCode.ERROR, self._description(error)))
        self._span.end()

    def _record(self, error: BaseException) -> None:
        self._span.set_attribute(telemetry.ERROR_TYPE, telemetry.type_of(error))
        if isinstance(error, StorageError) and error.sqlstate:
            self._span.set_attribute("db.response.status_code", error.sqlstate)
        if self._record_messages:
            self._span.record_exception(error)
            return
        # Frames show lines of code, where a message shows values.
        frames = "".join(traceback.format_tb(error.__traceback__))
        attributes = {
            "exception.type": telemetry.type_of(error),
            "exception.stacktrace": f"Traceback (most recent call last):\n{frames}",
        }
        self._span.add_event("exception", attributes)

    def _description(self, error: BaseException | None) -> str | None:
        if error is None:
            return None
        return str(error) if self._record_messages else telemetry.type_of(error)


def current_traceparent() -> str | None:
    """Write the current span as a W3C traceparent; None where nothing is traced."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def span_context(traceparent: str) -> SpanContext | None:
    """Read a stored W3C traceparent; None for what is none."""
    context = _PROPAGATOR.extract({"traceparent": traceparent})
    found = trace.get_current_span(context).get_span_context()
    return found if found.is_valid else None

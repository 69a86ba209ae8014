"""Watch a tracker's calls for OpenTelemetry: one span each, and what is measured of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from exec_tracker import __version__
from exec_tracker.integrations import telemetry
from exec_tracker.integrations.otel.abandoned import AbandonedCount
from exec_tracker.integrations.otel.metrics import instruments_of
from exec_tracker.integrations.otel.spans import CallSpan, current_traceparent
from exec_tracker.keywords import check_duration
from exec_tracker.observing import Instrumentation, Observation

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import timedelta

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from exec_tracker.aio import AsyncExecutionTracker
    from exec_tracker.integrations.otel.metrics import Instruments
    from exec_tracker.observing import ObservedCall, Renewals
    from exec_tracker.policies import ExecutionEvent
    from exec_tracker.tracker import ExecutionTracker

# The version of the semantic conventions whose names are used.
_SCHEMA = "https://opentelemetry.io/schemas/1.37.0"


class OpenTelemetry(Instrumentation):
    """What `instrument` attaches to a tracker."""

    def __init__(
        self,
        tracker: ExecutionTracker | AsyncExecutionTracker,
        *,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        record_keys: bool,
        record_messages: bool,
        abandoned_every: timedelta | None,
    ) -> None:
        """Get a tracer and a meter; nothing is asked of the database."""
        self._tracer = trace.get_tracer(
            telemetry.SCOPE, __version__, tracer_provider, schema_url=_SCHEMA
        )
        self._instruments = instruments_of(meter_provider)
        self._record_keys, self._record_messages = record_keys, record_messages
        self._place = {"db.system.name": "postgresql"}
        if tracker.database_name is not None:
            self._place["db.namespace"] = tracker.database_name
        self._abandoned: AbandonedCount | None = None
        if abandoned_every is not None:
            every = check_duration("abandoned_every", abandoned_every)
            self._abandoned = AbandonedCount(tracker, every, self._place)
            self._instruments.show_abandoned(self._abandoned)

    def begin(self, call: ObservedCall) -> Observation:
        """Start the span of a call, below the current one."""
        if self._abandoned is not None:
            self._abandoned.note_loop()
        attributes = telemetry.call_attributes(call, record_keys=self._record_keys)
        about = f" {call.workflow_id}" if call.workflow_id else ""
        span = self._tracer.start_span(
            f"{telemetry.SCOPE}.{call.method}{about}", attributes={**self._place, **attributes}
        )
        return _Call(call, CallSpan(span, record_messages=self._record_messages), self._instruments)

    def renewed(self, renewals: Renewals) -> None:
        """Count what came of a renewal of leases."""
        self._instruments.renewed(renewals)

    def trace_context(self) -> str | None:
        """Return the current span as a W3C traceparent; None where nothing is traced."""
        return current_traceparent()


class _Call(Observation):
    """One call: its span, and what is measured at its decisions and at its end."""

    def __init__(self, call: ObservedCall, span: CallSpan, instruments: Instruments) -> None:
        self._method = call.method
        self._story = telemetry.Story(call)
        self._span, self._instruments = span, instruments

    def current(self) -> AbstractContextManager[Any]:
        return self._span.current()

    def observe(self, event: ExecutionEvent) -> None:
        self._story.hear(event)
        self._span.add(event)
        self._instruments.decided(event)

    def end(self, error: BaseException | None) -> None:
        outcome = self._story.outcome(error)
        self._instruments.ended(self._method, self._story.workflow_id, outcome, error)
        self._span.end(outcome, self._story.workflow_id, error)

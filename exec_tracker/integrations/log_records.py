"""One log record per decision of a tracker, with the names that telemetry uses; off unless asked.

The records go to the logger `exec_tracker.events`. What is known stands in their attributes
(`extra=`), as formatters that write JSON, and OpenTelemetry's logging handler, pick it up.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, TypeVar

from exec_tracker.aio import AsyncExecutionTracker
from exec_tracker.integrations import telemetry
from exec_tracker.observing import Instrumentation, Observation
from exec_tracker.policies import EventName
from exec_tracker.tracker import ExecutionTracker

if TYPE_CHECKING:
    from exec_tracker.observing import ObservedCall
    from exec_tracker.policies import ExecutionEvent

__all__ = ["log_events"]

Tracker = TypeVar("Tracker", ExecutionTracker, AsyncExecutionTracker)

_log = logging.getLogger("exec_tracker.events")

_LEVELS: Final = {
    EventName.TAKEN_OVER: logging.WARNING,
    EventName.REFUSED: logging.WARNING,
    EventName.FAILED: logging.WARNING,
    EventName.ABANDONED: logging.ERROR,
    EventName.LOST: logging.ERROR,
}


def log_events(tracker: Tracker, *, record_keys: bool = False) -> Tracker:
    """Log a tracker's decisions to `exec_tracker.events`, and return the tracker.

    At INFO; what failed, was refused or taken over at WARNING, what is unknown or lost at ERROR.
    Neither parameters, results nor messages are logged; execution ids and users' are with
    `record_keys`. How the records are written is the application's to configure.
    """
    return tracker.instrument(LogRecords(record_keys=record_keys))


class LogRecords(Instrumentation):
    """What `log_events` attaches to a tracker."""

    def __init__(self, *, record_keys: bool = False) -> None:
        """Log nothing yet."""
        self._record_keys = record_keys

    def begin(self, call: ObservedCall) -> Observation:
        """Log the decisions of a call, and its end where that was none of them."""
        return _LoggedCall(call, telemetry.call_attributes(call, record_keys=self._record_keys))


class _LoggedCall(Observation):
    def __init__(self, call: ObservedCall, attributes: dict[str, Any]) -> None:
        self._method = call.method
        self._story = telemetry.Story(call)
        self._attributes = attributes

    def observe(self, event: ExecutionEvent) -> None:
        self._story.hear(event)
        level = _LEVELS.get(event.name, logging.INFO)
        self._write(level, event.name.value, telemetry.event_attributes(event))

    def end(self, error: BaseException | None) -> None:
        outcome = self._story.outcome(error)
        if error is not None and outcome in (telemetry.ERROR, telemetry.INTERRUPTED):
            about = {telemetry.ERROR_TYPE: telemetry.type_of(error)}
            self._write(logging.ERROR, outcome, about)

    def _write(self, level: int, what: str, about: dict[str, Any]) -> None:
        if not _log.isEnabledFor(level):
            return
        workflow_id = self._story.workflow_id
        extra = {**self._attributes, **about, telemetry.EVENT_NAME: f"{telemetry.SCOPE}.{what}"}
        if workflow_id is not None:
            extra[telemetry.WORKFLOW_ID] = workflow_id
        _log.log(level, "%s %s: %s", self._method, workflow_id or "", what, extra=extra)

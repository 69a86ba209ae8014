"""The names that spans, metrics and log records share, and how a call's outcome is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from exec_tracker.policies import EventName

if TYPE_CHECKING:
    from exec_tracker.observing import ObservedCall
    from exec_tracker.policies import ExecutionEvent

SCOPE: Final = "exec_tracker"

METHOD: Final = "exec_tracker.method"
WORKFLOW_ID: Final = "exec_tracker.workflow.id"
WORKFLOW_NAME: Final = "exec_tracker.workflow.name"
ACTOR: Final = "exec_tracker.actor"
ATTEMPT: Final = "exec_tracker.attempt"
DETAIL: Final = "exec_tracker.detail"
DURATION: Final = "exec_tracker.duration"
OUTCOME: Final = "exec_tracker.outcome"
# Only where asked for: keys may hold what identifies people, and users' ids do.
EXECUTION_ID: Final = "exec_tracker.execution.id"
USER_ID: Final = "user.id"
# As OpenTelemetry's semantic conventions name them.
ERROR_TYPE: Final = "error.type"
EVENT_NAME: Final = "event.name"

ERROR: Final = "error"
INTERRUPTED: Final = "interrupted"

# What a call ends with; the others are on the way. A call that decides by id ends with its verb.
_ENDINGS: Final = frozenset(EventName) - {
    EventName.CLAIMED,
    EventName.TAKEN_OVER,
    EventName.WAITED,
    EventName.VERIFIED,
}
# Those where something was tried and did not succeed. A refusal is an answer: nothing was tried.
UNSUCCESSFUL: Final = frozenset(
    {EventName.FAILED, EventName.ABANDONED, EventName.LOST, ERROR, INTERRUPTED}
)


class Story:
    """What is known of one call while it goes on: its workflow, and how it ended at last."""

    __slots__ = ("_last", "workflow_id")

    def __init__(self, call: ObservedCall) -> None:
        """Begin with what the call says."""
        self.workflow_id = call.workflow_id
        self._last: EventName | None = None

    def hear(self, event: ExecutionEvent) -> None:
        """Note a decision."""
        self.workflow_id = event.workflow_id
        self._last = event.name

    def outcome(self, error: BaseException | None) -> str:
        """Say how the call ended: its last decision, or that something came in between.

        A call that ends without an error by what is no ending, such as `mark_running`, ends by it.
        """
        if self._last is not None and (error is None or self._last in _ENDINGS):
            return self._last.value
        if error is None:
            return EventName.COMPLETED.value
        return ERROR if isinstance(error, Exception) else INTERRUPTED


def call_attributes(call: ObservedCall, *, record_keys: bool) -> dict[str, Any]:
    """Describe a call: without keys and users, unless they are asked for."""
    known: dict[str, Any] = {
        METHOD: call.method,
        WORKFLOW_ID: call.workflow_id,
        WORKFLOW_NAME: call.workflow_name,
        ACTOR: call.actor and str(call.actor),
    }
    if record_keys:
        known[EXECUTION_ID] = call.execution_id
        known[USER_ID] = call.user_id and str(call.user_id)
    return {name: value for name, value in known.items() if value is not None}


def event_attributes(event: ExecutionEvent) -> dict[str, Any]:
    """Describe a decision."""
    known = {
        ATTEMPT: event.attempt,
        DETAIL: event.detail,
        DURATION: None if event.duration is None else event.duration.total_seconds(),
    }
    return {name: value for name, value in known.items() if value is not None}


def event_name(event: ExecutionEvent) -> str:
    """Name a decision as telemetry does."""
    return f"{SCOPE}.{event.name}"


def type_of(error: BaseException) -> str:
    """Name an exception's class, which says nothing about whom it concerns."""
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"

"""From snapshots to what a client is shown, and the words for where an execution stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from exec_tracker.integrations.mcp.views import (
    AttemptDiagnostics,
    AttemptListing,
    AttemptReport,
    ExecutionDiagnostics,
    ExecutionOverview,
    ExecutionReport,
    Shown,
)
from exec_tracker.types import ExecutionStatus

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.types import Execution, ExecutionAttempt

# A listing is read as a whole; what is longer can be asked for by its key.
_LISTED_ERROR = 300
# An execution that is retried all day has thousands; the newest are what explains it.
_NEWEST_ATTEMPTS = 50


def key_of(execution: Execution) -> str:
    """Return the key as its user knows it, without the user in front."""
    return execution.id.removeprefix(f"{execution.user_id}:")


def ids_of(key: str, user: UUID) -> tuple[str, str]:
    """Return the stored ids that a user may mean by a key, the user's own scope first."""
    return f"{user}:{key}", key


def overview(execution: Execution) -> ExecutionOverview:
    """Show an execution as one of many."""
    return ExecutionOverview(
        **_common(execution) | {"error_message": _shortened(execution.error_message)}
    )


def report(execution: Execution, shown: Shown) -> ExecutionReport:
    """Show an execution in full, but for what is too large."""
    large = {
        name: value
        for name, value, text in (
            ("result", execution.result, execution.result_json),
            ("parameters", execution.parameters, None),
        )
        if value is not None and _size(value, text) > shown.largest_result
    }
    kept = {
        name: getattr(execution, name) for name in ("result", "parameters") if name not in large
    }
    return ExecutionReport(
        **_common(execution),
        **kept,
        summary=summary_of(execution),
        left_out=sorted(large),
        retry_at=execution.retry_at,
        diagnostics=ExecutionDiagnostics(
            claimed_by=execution.claimed_by, lease_expires_at=execution.lease_expires_at
        )
        if shown.diagnostics
        else None,
    )


def attempt_listing(
    execution: Execution, attempts: list[ExecutionAttempt], shown: Shown
) -> AttemptListing:
    """Show the newest attempts that did not succeed."""
    newest = attempts[-_NEWEST_ATTEMPTS:]
    return AttemptListing(
        key=key_of(execution),
        summary=summary_of(execution),
        attempts=[_attempt(one, shown) for one in newest],
        left_out=len(attempts) - len(newest),
    )


def summary_of(execution: Execution) -> str:
    """Say in words where an execution stands, and what its caller can do."""
    name = f"Execution {key_of(execution)!r}"
    if execution.is_abandoned:
        return (
            f"{name} was abandoned in {_attempt_and_error(execution)} Nobody knows whether its "
            "effect has happened, so it is not run again. Do not repeat it under another key: "
            "somebody has to find out, and decide."
        )
    match execution.status:
        case ExecutionStatus.PENDING:
            return f"{name} is registered, and nobody has begun it."
        case ExecutionStatus.RUNNING:
            return f"{name} is running, in attempt {execution.attempt}. Ask again later."
        case ExecutionStatus.COMPLETED if execution.erased_at is not None:
            return f"{name} is completed, and its result was erased."
        case ExecutionStatus.COMPLETED:
            return f"{name} is completed."
    return f"{name} failed in {_attempt_and_error(execution)} {_may_be_retried(execution)}"


def _attempt_and_error(execution: Execution) -> str:
    why = f": {execution.error_message}" if execution.error_message else ""
    said = f"attempt {execution.attempt}{why}"
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _may_be_retried(execution: Execution) -> str:
    if not (execution.error or {}).get("retryable", True):
        return "It is not run again."
    later = f" after {execution.retry_at.isoformat()}" if execution.retry_at else ""
    return f"The same call with the same key may run it again{later}."


def _common(execution: Execution) -> dict[str, Any]:
    return {
        "key": key_of(execution),
        "workflow": execution.workflow_id,
        "workflow_name": execution.workflow_name,
        "status": execution.status,
        "abandoned": execution.is_abandoned,
        "attempt": execution.attempt,
        "error_message": execution.error_message,
        "created_at": execution.created_at,
        "started_at": execution.started_at,
        "completed_at": execution.completed_at,
    }


def _attempt(attempt: ExecutionAttempt, shown: Shown) -> AttemptReport:
    error = attempt.error or {}
    return AttemptReport(
        attempt=attempt.attempt,
        outcome=attempt.outcome,
        error_type=error.get("type"),
        error_message=error.get("message"),
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        diagnostics=AttemptDiagnostics(
            claimed_by=attempt.claimed_by,
            traceback=error.get("traceback"),
            causes=error.get("causes") or [],
        )
        if shown.diagnostics
        else None,
    )


def _shortened(text: str | None) -> str | None:
    if text is None or len(text) <= _LISTED_ERROR:
        return text
    return f"{text[:_LISTED_ERROR]}…"


def _size(value: Any, text: str | None) -> int:
    return len(text if text is not None else json.dumps(value))

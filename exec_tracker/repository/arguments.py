"""What the statements are given: rows, claims and failures, and how these become parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exec_tracker.types import AttemptOutcome

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    from exec_tracker.types import Execution


@dataclass(slots=True)  # not frozen, as flow.plan.Plan
class NewExecution:
    """What a row is made of when it is inserted."""

    id: str
    workflow_id: str
    workflow_name: str | None
    user_id: UUID
    actor: str | None
    parameters_json: str | None
    fingerprint: str
    # The W3C traceparent of the trace that asks for it.
    trace_context: str | None = None


@dataclass(slots=True)
class Claim:
    """Who takes an attempt, and for how long it is believed; no lease is believed for ever."""

    token: UUID
    claimed_by: str | None
    lease: timedelta | None


@dataclass(frozen=True, slots=True)
class Failure:
    """What is stored about an attempt that did not complete."""

    message: str
    error: dict[str, Any]
    history: dict[str, Any]
    retry_delay: timedelta | None = None

    @property
    def outcome(self) -> AttemptOutcome:
        """How the history calls it."""
        unknown = self.error.get("outcome_unknown", False)
        return AttemptOutcome.ABANDONED if unknown else AttemptOutcome.FAILED


def new_arguments(new: NewExecution) -> dict[str, Any]:
    """Say what a row is made of."""
    return {
        "id": new.id,
        "workflow_id": new.workflow_id,
        "workflow_name": new.workflow_name,
        "user_id": str(new.user_id),
        "actor": new.actor,
        "parameters": new.parameters_json,
        "fingerprint": new.fingerprint,
        "trace_context": new.trace_context,
    }


def claim_arguments(claim: Claim) -> dict[str, Any]:
    """Say under which token, by whom and for how long."""
    return {
        "token": str(claim.token),
        "claimed_by": claim.claimed_by,
        "lease": _seconds(claim.lease),
    }


def seen_arguments(seen: Execution) -> dict[str, Any]:
    """Say what was decided upon: nothing is written where it has changed."""
    return {
        "id": seen.id,
        "seen_status": str(seen.status),
        "seen_attempt": seen.attempt,
        "seen_token": None if seen.claim_token is None else str(seen.claim_token),
    }


def displaced_arguments(seen: Execution, reason: str) -> dict[str, Any]:
    """Say what becomes of the claim that stood there."""
    history = {"type": "Abandoned", "message": reason, "outcome_unknown": True}
    return {
        "seen_claimed_by": seen.claimed_by,
        "seen_started_at": seen.started_at and seen.started_at.isoformat(),
        "history_error": json.dumps(history),
    }


def failure_arguments(failure: Failure) -> dict[str, Any]:
    """Say what is stored of a failure, in the row and in the history."""
    return {
        "error_message": failure.message,
        "error": json.dumps(failure.error),
        "outcome": str(failure.outcome),
        "history_error": json.dumps(failure.history),
        "retry_delay": _seconds(failure.retry_delay),
    }


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()

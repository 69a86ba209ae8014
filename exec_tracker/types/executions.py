"""What is stored: a row as it was when it was read, and the attempts that ended before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, computed_field

from exec_tracker.types.words import AttemptOutcome, ExecutionActor, ExecutionStatus


class Execution(BaseModel):
    """One row of workflow_executions as it was at `observed_at` on the database's clock.

    `claim_token` is a fence, not a secret: who holds it may finish the running claim.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    workflow_id: str
    workflow_name: str | None = None
    user_id: UUID
    status: ExecutionStatus
    result: Any = None
    error_message: str | None = None
    parameters: dict[str, Any] | None = None
    actor: ExecutionActor | None = None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    attempt: int = 0
    claim_token: UUID | None = None
    claimed_by: str | None = None
    lease_expires_at: datetime | None = None
    fingerprint: str | None = None
    retry_at: datetime | None = None
    erased_at: datetime | None = None
    error: dict[str, Any] | None = None
    trace_context: str | None = None
    observed_at: datetime

    @property
    def result_json(self) -> str | None:
        """The stored result as JSON text, from which a typed result is parsed."""
        text: str | None = self.__dict__.get("_result_json")
        return text

    @computed_field  # type: ignore[prop-decorator] # mypy does not know decorated properties
    @property
    def is_abandoned(self) -> bool:
        """Whether the outcome is unknown: its lease ran out, or its owner said so."""
        if self.status is ExecutionStatus.RUNNING:
            return self.lease_expires_at is not None and self.lease_expires_at <= self.observed_at
        return self.status is ExecutionStatus.FAILED and bool(
            (self.error or {}).get("outcome_unknown")
        )

    @property
    def is_ended(self) -> bool:
        """Whether nobody is running it and nobody will by itself: completed or failed."""
        return self.status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED)

    @property
    def lease_remaining(self) -> timedelta | None:
        """How long the lease was still to last when this was read; None without a lease."""
        if self.lease_expires_at is None:
            return None
        return max(self.lease_expires_at - self.observed_at, timedelta(0))


class ExecutionAttempt(BaseModel):
    """One ended, unsuccessful attempt, kept for debugging and retry decisions."""

    model_config = ConfigDict(frozen=True)

    execution_id: str
    attempt: int
    user_id: UUID
    claimed_by: str | None = None
    started_at: datetime | None = None
    ended_at: datetime
    outcome: AttemptOutcome
    error: dict[str, Any] | None = None

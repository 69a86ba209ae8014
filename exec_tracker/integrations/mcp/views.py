"""What the tools show of executions: no claim tokens, and nothing about our machines unasked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from exec_tracker.types import AttemptOutcome, ExecutionStatus

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a server shows: whether to name machines and tracebacks, and how much of a result."""

    diagnostics: bool = False
    largest_result: int = 100_000


class View(BaseModel):
    """A part of an answer; its fields are described to the client."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")


class ExecutionDiagnostics(View):
    """Who holds the claim; only where the server was set up to tell."""

    claimed_by: str | None = Field(None, description="The worker that claimed it last.")
    lease_expires_at: datetime | None = Field(
        None, description="Until when that claim is believed without a sign of life."
    )


class ExecutionOverview(View):
    """One execution in a listing."""

    key: str = Field(description="Its idempotency key.")
    workflow: str = Field(description="What kind of work it is.")
    workflow_name: str | None = Field(None, description="The same for people.")
    status: ExecutionStatus = Field(description="Where it stands.")
    abandoned: bool = Field(description="Whether nobody knows if its effect has happened.")
    attempt: int = Field(description="How often it was begun.")
    error_message: str | None = Field(None, description="Why it failed.")
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None


class ExecutionReport(ExecutionOverview):
    """One execution in full."""

    summary: str = Field(description="What this means, and what to do next.")
    parameters: dict[str, Any] | None = Field(None, description="What was asked for.")
    result: Any = Field(None, description="What it returned, once it is completed.")
    left_out: list[str] = Field(
        default_factory=list, description="Fields that are too large to be shown here."
    )
    retry_at: datetime | None = Field(None, description="It is not run again before this time.")
    diagnostics: ExecutionDiagnostics | None = None


class ExecutionListing(View):
    """Executions, newest first."""

    executions: list[ExecutionOverview]
    more: bool = Field(description="Whether there are older ones: pass the last key as `before`.")


class AttemptDiagnostics(View):
    """Where and how an attempt failed; only where the server was set up to tell."""

    claimed_by: str | None = None
    traceback: str | None = None
    causes: list[dict[str, Any]] = Field(default_factory=list)


class AttemptReport(View):
    """One attempt that ended without success."""

    attempt: int
    outcome: AttemptOutcome = Field(description="It raised an error, or nobody knows.")
    error_type: str | None = None
    error_message: str | None = None
    started_at: datetime | None = None
    ended_at: datetime
    diagnostics: AttemptDiagnostics | None = None


class AttemptListing(View):
    """The failed and abandoned attempts of one execution, oldest first."""

    key: str
    summary: str = Field(description="What this means, and what to do next.")
    attempts: list[AttemptReport]
    left_out: int = Field(description="How many older attempts are not listed.")


class ToolAnswer(View, Generic[T]):
    """What an idempotent tool answers."""

    key: str = Field(description="The idempotency key: execution_status tells more about it.")
    status: ExecutionStatus = Field(description="`completed`, or `running`: ask again later.")
    replayed: bool = Field(False, description="Whether an earlier call had this result.")
    result: T | None = Field(None, description="What the tool returned, once it is completed.")
    summary: str = Field(description="What this means, and what to do next.")

"""The words of the protocol: statuses, actors, scopes, and what a caller may choose."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal


class ExecutionStatus(StrEnum):
    """Where an execution stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class ExecutionActor(StrEnum):
    """Who asked for an execution."""

    USER = "user"
    AI_ASSISTANT = "ai_assistant"
    SYSTEM = "system"
    WEBHOOK = "webhook"


class AttemptOutcome(StrEnum):
    """How an attempt that did not complete has ended."""

    FAILED = "failed"
    ABANDONED = "abandoned"


class KeyScope(StrEnum):
    """The namespace of an idempotency key: shared by everybody, or each user's own."""

    GLOBAL = "global"
    USER = "user"


OnRunning = Literal["raise", "wait"]
OnFailed = Literal["retry", "raise"]
OnAbandoned = Literal["raise", "retry"]

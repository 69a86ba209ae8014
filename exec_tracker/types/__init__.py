"""The values that go in and come out: options, snapshots, answers; all immutable."""

from __future__ import annotations

from exec_tracker.types.executions import Execution, ExecutionAttempt
from exec_tracker.types.options import (
    MAX_ID_LENGTH,
    MAX_KEY_LENGTH,
    ExecuteOptions,
    Name,
    check_execution_id,
)
from exec_tracker.types.results import ExecutionOutcome, ExecutionResult
from exec_tracker.types.words import (
    AttemptOutcome,
    ExecutionActor,
    ExecutionStatus,
    KeyScope,
    OnAbandoned,
    OnFailed,
    OnRunning,
)

__all__ = [
    "MAX_ID_LENGTH",
    "MAX_KEY_LENGTH",
    "AttemptOutcome",
    "ExecuteOptions",
    "Execution",
    "ExecutionActor",
    "ExecutionAttempt",
    "ExecutionOutcome",
    "ExecutionResult",
    "ExecutionStatus",
    "KeyScope",
    "Name",
    "OnAbandoned",
    "OnFailed",
    "OnRunning",
    "check_execution_id",
]

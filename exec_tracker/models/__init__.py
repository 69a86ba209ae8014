"""The tables as SQLAlchemy models, and everything else of the schema as their DDL events."""

from exec_tracker.models import ddl as _ddl  # noqa: F401 - attaches the events
from exec_tracker.models.attempt import (
    ATTEMPTS_EXECUTION_FKEY,
    ATTEMPTS_OUTCOME_CHECK,
    ATTEMPTS_PKEY,
    ATTEMPTS_TABLE,
    WorkflowExecutionAttempt,
)
from exec_tracker.models.base import Base
from exec_tracker.models.execution import (
    EXECUTIONS_ACTOR_CHECK,
    EXECUTIONS_PKEY,
    EXECUTIONS_STATUS_CHECK,
    EXECUTIONS_TABLE,
    EXECUTIONS_USER_FKEY,
    OUTCOME_UNKNOWN,
    WorkflowExecution,
)
from exec_tracker.models.identity import IDENTITY_METADATA, auth_users

__all__ = [
    "ATTEMPTS_EXECUTION_FKEY",
    "ATTEMPTS_OUTCOME_CHECK",
    "ATTEMPTS_PKEY",
    "ATTEMPTS_TABLE",
    "EXECUTIONS_ACTOR_CHECK",
    "EXECUTIONS_PKEY",
    "EXECUTIONS_STATUS_CHECK",
    "EXECUTIONS_TABLE",
    "EXECUTIONS_USER_FKEY",
    "IDENTITY_METADATA",
    "OUTCOME_UNKNOWN",
    "Base",
    "WorkflowExecution",
    "WorkflowExecutionAttempt",
    "auth_users",
]

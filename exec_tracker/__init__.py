"""Run each piece of work exactly once per idempotency key, on the PostgreSQL you already have."""

from exec_tracker.aio import AsyncExecutionTracker
from exec_tracker.context import ExecutionContext
from exec_tracker.errors import (
    ConfigurationError,
    ExecTrackerError,
    ExecutionAbandonedError,
    ExecutionExistsError,
    ExecutionFailedError,
    ExecutionInProgressError,
    ExecutionNotFoundError,
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    InvalidIdempotencyKeyError,
    LeaseLostError,
    MigrationRequiredError,
    OutcomeUnknownError,
    ResultErasedError,
    ResultNotStorableError,
    SchemaError,
    SchemaTooNewError,
    StorageError,
    TransactionControlError,
    TransientStorageError,
    UnknownUserError,
)
from exec_tracker.models import Base, WorkflowExecution, WorkflowExecutionAttempt
from exec_tracker.observing import Instrumentation, Observation, ObservedCall, Renewals
from exec_tracker.policies import (
    DidNotHappen,
    EventName,
    ExecutionEvent,
    Happened,
    RetryPolicy,
    Unknown,
)
from exec_tracker.repository import ExecutionRepository
from exec_tracker.settings import normalise_url
from exec_tracker.tracker import (
    Claim,
    ExecutionTracker,
    get_execution_tracker,
    reset_execution_tracker,
)
from exec_tracker.types import (
    AttemptOutcome,
    ExecuteOptions,
    Execution,
    ExecutionActor,
    ExecutionAttempt,
    ExecutionResult,
    ExecutionStatus,
    KeyScope,
)
from exec_tracker.unit_of_work import AsyncUnitOfWork, UnitOfWork

__version__ = "0.1.0"

__all__ = [
    "AsyncExecutionTracker",
    "AsyncUnitOfWork",
    "AttemptOutcome",
    "Base",
    "Claim",
    "ConfigurationError",
    "DidNotHappen",
    "EventName",
    "ExecTrackerError",
    "ExecuteOptions",
    "Execution",
    "ExecutionAbandonedError",
    "ExecutionActor",
    "ExecutionAttempt",
    "ExecutionContext",
    "ExecutionEvent",
    "ExecutionExistsError",
    "ExecutionFailedError",
    "ExecutionInProgressError",
    "ExecutionNotFoundError",
    "ExecutionRepository",
    "ExecutionResult",
    "ExecutionStatus",
    "ExecutionTracker",
    "Happened",
    "IdempotencyKeyReusedError",
    "IllegalTransitionError",
    "Instrumentation",
    "InvalidIdempotencyKeyError",
    "KeyScope",
    "LeaseLostError",
    "MigrationRequiredError",
    "Observation",
    "ObservedCall",
    "OutcomeUnknownError",
    "Renewals",
    "ResultErasedError",
    "ResultNotStorableError",
    "RetryPolicy",
    "SchemaError",
    "SchemaTooNewError",
    "StorageError",
    "TransactionControlError",
    "TransientStorageError",
    "UnitOfWork",
    "Unknown",
    "UnknownUserError",
    "WorkflowExecution",
    "WorkflowExecutionAttempt",
    "__version__",
    "get_execution_tracker",
    "normalise_url",
    "reset_execution_tracker",
]

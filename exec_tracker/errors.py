"""Every error this package raises, in one tree.

ExecTrackerError
├── ConfigurationError
│   └── TransactionControlError
├── SchemaError
│   ├── MigrationRequiredError
│   └── SchemaTooNewError
├── InvalidIdempotencyKeyError        (also ValueError)
├── UnknownUserError
├── IdempotencyKeyReusedError
├── ExecutionInProgressError
├── ExecutionAbandonedError
├── ExecutionFailedError
├── ExecutionNotFoundError            (also LookupError)
├── ExecutionExistsError
├── IllegalTransitionError
├── LeaseLostError
├── ResultNotStorableError
├── ResultErasedError
├── StorageError
│   └── TransientStorageError
└── OutcomeUnknownError               (raised by executors, not by us)

The executor's own exception is never wrapped: it reaches the caller unchanged. Every class's
docstring is its default message. All of them survive pickling, so they may cross a process
boundary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import timedelta

    from exec_tracker.types import Execution

__all__ = [
    "ConfigurationError",
    "ExecTrackerError",
    "ExecutionAbandonedError",
    "ExecutionExistsError",
    "ExecutionFailedError",
    "ExecutionInProgressError",
    "ExecutionNotFoundError",
    "IdempotencyKeyReusedError",
    "IllegalTransitionError",
    "InvalidIdempotencyKeyError",
    "LeaseLostError",
    "MigrationRequiredError",
    "OutcomeUnknownError",
    "ResultErasedError",
    "ResultNotStorableError",
    "SchemaError",
    "SchemaTooNewError",
    "StorageError",
    "TransactionControlError",
    "TransientStorageError",
    "UnknownUserError",
]


class ExecTrackerError(Exception):
    """The execution tracker could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        """Take the class's docstring where no message is given."""
        super().__init__(message or (type(self).__doc__ or "").strip())

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the message and the attributes, whatever a subclass's signature is."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[ExecTrackerError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(ExecTrackerError):
    """The tracker was set up or called in a way that cannot work."""


class TransactionControlError(ConfigurationError):
    """The function ended the transaction that it was lent; that is the tracker's to do."""


class SchemaError(ExecTrackerError):
    """The database's schema does not fit this version of exec_tracker."""


class MigrationRequiredError(SchemaError):
    """The database lacks tables or columns; run `exec-tracker db upgrade`."""


class SchemaTooNewError(SchemaError):
    """The database's schema requires a newer exec_tracker; upgrade the package."""


class InvalidIdempotencyKeyError(ExecTrackerError, ValueError):
    """An idempotency key is 1 to 255 printable characters and not blank."""


class UnknownUserError(ExecTrackerError):
    """No such user in the table that user_id refers to."""


class IdempotencyKeyReusedError(ExecTrackerError):
    """The idempotency key already belongs to a different request."""

    def __init__(self, message: str | None = None, *, differs: str | None = None) -> None:
        """Say in `differs` what is not the same; None where the asker does not own the key."""
        super().__init__(message)
        self.differs = differs


class _ExecutionError(ExecTrackerError):
    def __init__(
        self,
        message: str | None = None,
        *,
        execution: Execution | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.execution = execution
        self.retry_after = retry_after


class ExecutionInProgressError(_ExecutionError):
    """The execution is running elsewhere; ask again after `retry_after`, or wait for it."""


class ExecutionAbandonedError(_ExecutionError):
    """The execution's outcome is unknown; resolve or reset it, or pass verify= or on_abandoned=."""


class ExecutionFailedError(_ExecutionError):
    """The execution has failed, and its stored failure is replayed."""

    def __init__(
        self,
        message: str | None = None,
        *,
        execution: Execution | None = None,
        retry_after: timedelta | None = None,
        error: dict[str, Any] | None = None,
    ) -> None:
        """Carry the stored `error` (type, message, retryable, traceback where it was kept)."""
        super().__init__(message, execution=execution, retry_after=retry_after)
        self.error = error


class ExecutionNotFoundError(ExecTrackerError, LookupError):
    """There is no execution with this id."""


class ExecutionExistsError(_ExecutionError):
    """There is already an execution with this id."""


class IllegalTransitionError(_ExecutionError):
    """The state machine does not allow this change of status."""


class LeaseLostError(_ExecutionError):
    """The claim was taken over or decided by someone else before its outcome was stored."""

    def __init__(
        self,
        message: str | None = None,
        *,
        execution: Execution | None = None,
        result: Any = None,
    ) -> None:
        """Carry the `result` that the function returned and that was not stored."""
        super().__init__(message, execution=execution)
        self.result = result


class ResultNotStorableError(ExecTrackerError):
    """The function returned something that cannot be stored; its effect has happened."""

    def __init__(self, message: str | None = None, *, result: Any = None) -> None:
        """Carry the `result` that could not be stored."""
        super().__init__(message)
        self.result = result


class ResultErasedError(_ExecutionError):
    """The execution completed, and its result has been erased; the key stays used."""


class StorageError(ExecTrackerError):
    """The database could not be used."""

    def __init__(
        self,
        message: str | None = None,
        *,
        result: Any = None,
        sqlstate: str | None = None,
        in_doubt: bool = False,
    ) -> None:
        """Carry the function's `result` where there is one, and the server's `sqlstate`.

        `in_doubt` tells that the statement was sent and nobody knows whether it was committed.
        """
        super().__init__(message)
        self.result = result
        self.sqlstate = sqlstate
        self.in_doubt = in_doubt


class TransientStorageError(StorageError):
    """The database could not be used for the moment; the same call may succeed later."""


class OutcomeUnknownError(ExecTrackerError):
    """Raised by an executor that cannot tell whether its effect happened."""

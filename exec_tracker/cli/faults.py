"""Turn whatever goes wrong into one sentence that says what to do, and an exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from exec_tracker import errors
from exec_tracker.cli.statuses import ExitStatus
from exec_tracker.sqlstates import sqlstate_of, translate, translate_connect

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CommandLineError", "explain"]


class CommandLineError(errors.ExecTrackerError):
    """The command line was given something it cannot use."""

    def __init__(self, message: str, status: ExitStatus = ExitStatus.DATA) -> None:
        """Carry the exit status as well."""
        super().__init__(message)
        self.status = status


_STATUSES: Final[Mapping[type[Exception], ExitStatus]] = {
    errors.ConfigurationError: ExitStatus.CONFIGURATION,
    errors.SchemaError: ExitStatus.CONFIGURATION,
    errors.UnknownUserError: ExitStatus.NO_USER,
    errors.ExecutionInProgressError: ExitStatus.IN_PROGRESS,
    errors.ExecutionAbandonedError: ExitStatus.ABANDONED,
    errors.LeaseLostError: ExitStatus.ABANDONED,
    errors.OutcomeUnknownError: ExitStatus.ABANDONED,
    errors.ExecutionNotFoundError: ExitStatus.NOT_FOUND,
    errors.ExecutionFailedError: ExitStatus.FAILED,
    errors.StorageError: ExitStatus.UNAVAILABLE,
    errors.ExecTrackerError: ExitStatus.DATA,
    OSError: ExitStatus.NOT_FOUND,
    ValueError: ExitStatus.DATA,
}
"""Read in this order; the last two are what is left of bad input."""

_OPTIONS: Final = {"idempotency_key": "--key", "workflow_id": "--workflow", "user_id": "--user"}
_DIFFERENCES: Final = {"workflow_id": "workflow", "parameters": "command"}


def explain(error: Exception) -> tuple[str, int]:
    """Return the sentence to print and the status to exit with."""
    known = _translated(error)
    if isinstance(known, CommandLineError):
        return str(known), known.status
    for kind, status in _STATUSES.items():
        if isinstance(known, kind):
            return _sentence(known), status
    return (
        f"internal error, please report it: {type(error).__name__}: {error}",
        ExitStatus.INTERNAL,
    )


def _translated(error: Exception) -> Exception:
    if isinstance(error, ValidationError):
        return CommandLineError(_validation(error))
    if isinstance(error, DBAPIError):
        lost = sqlstate_of(error) is None and not error.statement
        return translate_connect(error) if lost else translate(error)
    if isinstance(error, SQLAlchemyError):
        return errors.StorageError(str(error))
    if type(error.__cause__).__module__.startswith("alembic."):
        # Alembic's own complaints are about the revision that was asked for.
        return CommandLineError(str(error))
    return error


def _validation(error: ValidationError) -> str:
    found = []
    for one in error.errors(include_url=False, include_input=False):
        name = str(one["loc"][0]) if one["loc"] else "the request"
        found.append(f"{_OPTIONS.get(name, name)}: {one['msg'].removeprefix('Value error, ')}")
    return "; ".join(found)


def _sentence(error: Exception) -> str:
    match error:
        case errors.ExecutionInProgressError(execution=found) if found is not None:
            return (
                f"execution {found.id!r} is {found.status} (attempt {found.attempt}); try again "
                "later, or wait for it with `run --wait` or `watch`"
            )
        case errors.ExecutionAbandonedError(execution=found) if found is not None:
            return (
                f"execution {found.id!r} was abandoned in attempt {found.attempt}: nobody knows "
                "whether it happened, so it is not run again; find out, then use "
                "`exec-tracker resolve` (it did) or `exec-tracker reset` (it did not)"
            )
        case errors.IdempotencyKeyReusedError(differs=differs):
            return _reused(differs)
        case errors.UnknownUserError():
            return "there is no user with this id: create the user first, or correct --user"
        case _:
            return str(error)


def _reused(differs: str | None) -> str:
    if differs is None:
        return "the key is already used for somebody else's request: take a key of your own"
    what = _DIFFERENCES.get(differs, differs)
    return f"the key was first used with another {what}: take a new key for a new request"

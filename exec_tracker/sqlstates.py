"""Translate a driver's errors into ours, once, by SQLSTATE and constraint name.

SQLSTATEs: PostgreSQL manual, Appendix A.
"""

from __future__ import annotations

from typing import Any

from exec_tracker.errors import (
    ExecTrackerError,
    IllegalTransitionError,
    MigrationRequiredError,
    StorageError,
    TransientStorageError,
    UnknownUserError,
)

USER_CONSTRAINT = "workflow_executions_user_id_fkey"

LOCK_NOT_AVAILABLE = "55P03"
READ_ONLY = "25006"
SERIALIZATION = frozenset({"40001", "40P01"})

_MISSING_SCHEMA = frozenset({"42P01", "42703", "3F000", "42883"})
# What passes by itself: resources (53), operator and time-outs (57), conflicts, failover read-only.
_TRANSIENT_CLASSES = ("08", "53", "57")
# Time-outs that end the session, not the statement alone: what the driver has is a dead connection.
_SESSION_ENDED = frozenset({"25P03", "25P04"})
_TRANSIENT = SERIALIZATION | _SESSION_ENDED | {LOCK_NOT_AVAILABLE}
# The value itself is refused, and would be refused again: data exceptions and program limits.
_UNSTORABLE_CLASSES = ("22", "54")
# PEP 249 classes that, without an answer from the server, mean a mistake and not a lost connection.
_CALLER_ERRORS = frozenset({"ProgrammingError", "NotSupportedError", "DataError"})
# Raised by the guard triggers of the schema.
_GUARD_CLASS = "ET"


def sqlstate_of(error: BaseException) -> str | None:
    """Return the server's SQLSTATE, or None where the driver failed without its answer."""
    for candidate in (error, getattr(error, "orig", None), error.__cause__):
        state = getattr(candidate, "sqlstate", None) or getattr(candidate, "pgcode", None)
        if isinstance(state, str):
            return state
    return None


def is_unstorable(error: StorageError) -> bool:
    """Tell whether the server refused the value itself, so that writing it again is of no use."""
    return (error.sqlstate or "")[:2] in _UNSTORABLE_CLASSES


def translate(error: BaseException) -> ExecTrackerError:
    """Say what a driver's error means; the caller raises it `from` the original."""
    state = sqlstate_of(error)
    if state is None and type(error).__name__ in _CALLER_ERRORS:
        return StorageError(f"The driver refused the statement: {_first_line(error)}")
    if state is None:
        return TransientStorageError(
            f"The connection to the database was lost: {_first_line(error)}", in_doubt=True
        )
    if state == "23503" and _constraint_of(error) == USER_CONSTRAINT:
        return UnknownUserError(
            "No such user in the table that user_id refers to. Create the user first; on a "
            "standalone database `tracker.ensure_user(user_id)` does it."
        )
    if state in _MISSING_SCHEMA:
        return MigrationRequiredError(
            f"The database lacks what this exec_tracker needs ({_first_line(error)}). "
            "Run `exec-tracker db upgrade` or `alembic upgrade head`."
        )
    return _translate_storage(error, state)


def translate_connect(error: BaseException) -> StorageError:
    """Say that no connection could be had; nothing was sent, so nothing is in doubt."""
    return TransientStorageError(
        f"The database cannot be reached: {_first_line(error)}. Check the URL and that the "
        "server is running and accepts connections.",
        sqlstate=sqlstate_of(error),
    )


def _translate_storage(error: BaseException, state: str) -> ExecTrackerError:
    message = _first_line(error)
    if state.startswith(_GUARD_CLASS):
        return IllegalTransitionError(f"The database refused the change: {message}")
    if state in _TRANSIENT or state.startswith(_TRANSIENT_CLASSES):
        in_doubt = state.startswith(("08", "57P")) or state in _SESSION_ENDED
        return TransientStorageError(
            f"The database could not do this now: {message} (SQLSTATE {state}).",
            sqlstate=state,
            in_doubt=in_doubt,
        )
    if state == READ_ONLY:
        message += "; the server is read-only, so only stored outcomes can be replayed"
    if state == "42501":
        message += "; connect as the owner of the tables or as a member of service_role"
    return StorageError(f"The database refused: {message} (SQLSTATE {state}).", sqlstate=state)


def _constraint_of(error: BaseException) -> str | None:
    for candidate in (error, getattr(error, "orig", None), error.__cause__):
        diagnostics: Any = getattr(candidate, "diag", candidate)
        name = getattr(diagnostics, "constraint_name", None)
        if isinstance(name, str):
            return name
    return None


def _first_line(error: BaseException) -> str:
    original = getattr(error, "orig", None) or error
    return (str(original).strip().splitlines() or [type(original).__name__])[0]

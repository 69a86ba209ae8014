"""Translate a driver's errors into ours, once, by SQLSTATE and constraint name.

SQLSTATEs: PostgreSQL manual, Appendix A.
"""

from __future__ import annotations

import re
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
INSUFFICIENT_PRIVILEGE = "42501"
SERIALIZATION = frozenset({"40001", "40P01"})
# Who asks is not let in, and would not be by asking again: role, password, database.
CONNECTION_REFUSED = frozenset({"28000", "28P01", "3D000"})

# libpq hands on no SQLSTATE of a connection that was refused, so that the drivers on it have but
# the server's words (docs/decisions/0107). In another language than English they are not
# recognised, and the refusal counts as one that may pass.
_REFUSALS_IN_WORDS = (
    ("28P01", re.compile(r"password authentication failed|no password supplied")),
    ("28000", re.compile(r"authentication failed for user|no pg_hba\.conf entry")),
    ("28000", re.compile(r'role ".*" (does not exist|is not permitted to log in)')),
    ("3D000", re.compile(r'database ".*" does not exist|no such database')),
    (INSUFFICIENT_PRIVILEGE, re.compile(r'permission denied for database ".*"')),
)

_MISSING_SCHEMA = frozenset({"42P01", "42703", "3F000", "42883"})
# What a trigger under an empty search path does not find: tables, functions, types.
_MISSING_NAMES = frozenset({"42P01", "42883", "42704"})
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


def translate(error: BaseException, schema: str | None = None) -> ExecTrackerError:
    """Say what a driver's error means; the caller raises it `from` the original.

    `schema` is where the tables were looked for, if a schema was given.
    """
    state = sqlstate_of(error)
    if state is None and type(error).__name__ in _CALLER_ERRORS:
        return StorageError(f"The driver refused the statement: {first_line(error)}")
    if state is None:
        return TransientStorageError(
            f"The connection to the database was lost: {first_line(error)}", in_doubt=True
        )
    if state == "23503" and _diagnostic(error, "constraint_name") == USER_CONSTRAINT:
        return UnknownUserError(
            "No such user in the table that user_id refers to. Create the user first; on a "
            "standalone database `tracker.ensure_user(user_id)` does it."
        )
    if state in _MISSING_SCHEMA:
        return migration_required(
            f"lacks what this exec_tracker needs: {first_line(error)}",
            schema,
            _trigger_hint(error),
        )
    return _translate_storage(error, state)


def migration_required(finding: str, schema: str | None, hint: str = "") -> MigrationRequiredError:
    """Say what the database lacks, where it was looked for, and what makes it."""
    where = f"In schema {schema!r} the database" if schema else "The database"
    option = f" --schema {schema}" if schema else ""
    elsewhere = (
        "" if schema else " If its tables are in a schema off the search_path, give schema=."
    )
    return MigrationRequiredError(
        f"{where} {finding}. Run `exec-tracker db upgrade{option}`, or your own Alembic run that "
        f"includes its revisions.{elsewhere}{hint}"
    )


def translate_connect(error: BaseException) -> StorageError:
    """Say that no connection could be had; nothing was sent, so nothing is in doubt."""
    message = first_line(error)
    state = sqlstate_of(error) or _refusal_in_words(message)
    if state in CONNECTION_REFUSED or state == INSUFFICIENT_PRIVILEGE:
        return StorageError(
            f"The database refused the connection: {message}. Correct the user, password or "
            "database in the URL, or what the server lets in.",
            sqlstate=state,
        )
    return TransientStorageError(
        f"The database cannot be reached: {message}. Check the URL and that the "
        "server is running and accepts connections.",
        sqlstate=state,
    )


def _refusal_in_words(message: str) -> str | None:
    found = (state for state, words in _REFUSALS_IN_WORDS if words.search(message))
    return next(found, None)


def _translate_storage(error: BaseException, state: str) -> ExecTrackerError:
    message = first_line(error)
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
    if state == INSUFFICIENT_PRIVILEGE:
        message += "; connect as the owner of the tables or as a member of service_role"
    hint = _trigger_hint(error)
    return StorageError(
        f"The database refused: {message} (SQLSTATE {state}).{hint}", sqlstate=state
    )


def _trigger_hint(error: BaseException) -> str:
    """Say what may help where a function in the database, such as a trigger's, misses a name."""
    if sqlstate_of(error) not in _MISSING_NAMES or not _diagnostic(error, "context"):
        return ""
    return (
        " If that is yours: a trigger of your own on workflow_executions runs under an empty "
        "search path, so name it with its schema, or give the trigger's function a SET search_path."
    )


def _diagnostic(error: BaseException, field: str) -> str | None:
    """Return what the server said beside its message, however the driver carries it."""
    for candidate in (error, getattr(error, "orig", None), error.__cause__):
        diagnostics: Any = getattr(candidate, "diag", candidate)
        said = getattr(diagnostics, field, None)
        if isinstance(said, str):
            return said
    return None


def first_line(error: BaseException) -> str:
    """Return what the driver says in its first line; more would be a hint of where it was."""
    original = getattr(error, "orig", None) or error
    return (str(original).strip().splitlines() or [type(original).__name__])[0]

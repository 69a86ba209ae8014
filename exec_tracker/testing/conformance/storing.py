"""What is stored stays stored, and the database itself refuses what may not be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from exec_tracker.errors import (
    OutcomeUnknownError,
    ResultErasedError,
    UnknownUserError,
)
from exec_tracker.models.guard import GUARD_SQLSTATE
from exec_tracker.sqlstates import sqlstate_of
from exec_tracker.testing.conformance.held import holding
from exec_tracker.testing.conformance.users import users_table
from exec_tracker.testing.conformance.verdicts import NotTriedError, demand
from exec_tracker.types import AttemptOutcome, ExecutionResult

if TYPE_CHECKING:
    from exec_tracker.testing.conformance.site import Site
    from exec_tracker.types import ExecuteOptions

__all__ = [
    "commits_are_durable",
    "completed_rows_do_not_change",
    "deleting_frees_the_key",
    "erased_keys_stay_used",
    "failures_are_kept",
    "live_claims_are_not_taken",
    "unknown_users_are_refused",
]

_DENIED: Final = "42501"


def failures_are_kept(site: Site) -> str:
    """Fail, do not know, and succeed; then read the history."""
    options = site.options()
    for error in (ValueError("conformance"), OutcomeUnknownError("conformance")):
        demand(_heard(site, options, error) is error, "the function's own exception was lost")
    taken = site.tracker.execute(options, lambda: "done", on_abandoned="retry")
    demand((taken.cached, taken.execution.attempt) == (False, 3), "an attempt was not counted")
    history = [
        (one.attempt, one.outcome) for one in site.tracker.get_attempts(options.execution_id)
    ]
    expected = [(1, AttemptOutcome.FAILED), (2, AttemptOutcome.ABANDONED)]
    demand(history == expected, f"the history says {history}")
    return ""


def _heard(site: Site, options: ExecuteOptions, error: Exception) -> BaseException | None:
    def function() -> None:
        raise error

    try:
        site.tracker.execute(options, function)
    except Exception as heard:  # noqa: BLE001 # compared with what was raised
        return heard
    return None


def completed_rows_do_not_change(site: Site) -> str:
    """Try to change a completed row by SQL, in every way that the guard is there for."""
    options = site.options()
    site.tracker.execute(options, lambda: 1)
    changes: list[dict[str, Any]] = [
        {"status": "failed"},
        {"result": 2},
        {"result": None},
        {"id": site.key()},
        {"attempt": 0},
        {"completed_at": None},
    ]
    for change in changes:
        _check_refused(site, options, change)
    again = site.tracker.execute(options, lambda: 2)
    demand((again.cached, again.data) == (True, 1), f"it is replayed as {again.data!r}")
    return ""


def live_claims_are_not_taken(site: Site) -> str:
    """Try to take a live claim by SQL."""
    options = site.options()
    changes: list[dict[str, Any]] = [{"claim_token": uuid4()}, {"status": "pending"}]
    with holding(site, options) as owner:
        for change in changes:
            _check_refused(site, options, change)
        ended = owner.end(site.patience)
    demand(isinstance(ended, ExecutionResult), f"the owner was disturbed: {ended!r}")
    return ""


def _check_refused(site: Site, options: ExecuteOptions, change: dict[str, Any]) -> None:
    (column,) = change
    try:
        site.change(options.execution_id, **change)
    except DBAPIError as error:
        if sqlstate_of(error) == _DENIED:
            raise NotTriedError("this account may not update rows by SQL") from error
        demand(sqlstate_of(error) == GUARD_SQLSTATE, f"another error came up: {error}")
        return
    demand(holds=False, otherwise=f"an UPDATE of {column} was not refused")


def erased_keys_stay_used(site: Site) -> str:
    """Erase a result, and ask for it."""
    options = site.options()
    site.tracker.execute(options, lambda: "secret")
    site.tracker.erase(options.execution_id)
    heard = _heard(site, options, ValueError("conformance"))
    demand(isinstance(heard, ResultErasedError), f"the next caller heard {heard!r}")
    demand(site.column(options.execution_id, "result") is None, "the result is still there")
    return ""


def deleting_frees_the_key(site: Site) -> str:
    """Delete, and run again."""
    options = site.options()
    _heard(site, options, ValueError("conformance"))
    site.tracker.delete(options.execution_id)
    demand(not site.tracker.get_attempts(options.execution_id), "the history is still there")
    again = site.tracker.execute(options, lambda: "again")
    demand((again.cached, again.execution.attempt) == (False, 1), "the key was not free")
    return ""


def unknown_users_are_refused(site: Site) -> str:
    """Ask in the name of a user who does not exist."""
    if users_table(site.engine, site.schema) is None:
        raise NotTriedError("user_id refers to no table here")
    options = site.options(user_id=uuid4())
    try:
        site.tracker.execute(options, lambda: "done")
    except UnknownUserError:
        return ""
    demand(holds=False, otherwise="a user who does not exist was accepted")
    return ""


def commits_are_durable(site: Site) -> str:
    """Ask whether what is committed is on disk, and may be asked for where a role has it off."""
    with site.transaction() as connection:
        fsync = connection.scalar(text("SELECT current_setting('fsync', true)"))
        connection.execute(text("SELECT set_config('synchronous_commit', 'off', true)"))
        connection.execute(text("SELECT set_config('synchronous_commit', 'on', true)"))
        flushed = connection.scalar(text("SELECT current_setting('synchronous_commit', true)"))
    if fsync is None or flushed is None:
        raise NotTriedError("the server does not tell")
    demand(fsync == "on", "fsync is off: a crash of the server may forget claims")
    demand(flushed == "on", "synchronous_commit cannot be set for a transaction")
    return ""

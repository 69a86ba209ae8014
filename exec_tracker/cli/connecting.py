"""Which database a command works on, and for whom where nobody is named."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import Engine, text

from exec_tracker.cli.faults import CommandLineError
from exec_tracker.cli.statuses import ExitStatus
from exec_tracker.connections import resolve_engine
from exec_tracker.settings import normalise_url, require_database_url
from exec_tracker.tracker import ExecutionTracker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

__all__ = ["LOCAL_USER", "chosen_url", "connected", "local_user", "tracking"]

LOCAL_USER: Final = UUID("6c6f6361-6c00-5000-8000-657865637472")
"""The user of what is run without --user on a standalone database: fixed, so that keys recur."""

_KNOWN: Final = text("SELECT 1 FROM auth.users WHERE id = :id")

_PATIENCE: Final = "10"
"""Seconds to wait for a server that does not answer; the system's own patience is minutes."""

# The users table our foreign key refers to, if any, and whether schema auth is our stand-in.
_IDENTITY: Final = text("""
SELECT (SELECT confrelid::regclass::text
          FROM pg_constraint
         WHERE contype = 'f' AND conname = 'workflow_executions_user_id_fkey'
           AND conrelid = to_regclass(:executions)) AS users,
       coalesce(obj_description(to_regnamespace('auth'), 'pg_namespace') = :ours, false) AS ours
""")


def chosen_url(url: str | None) -> URL:
    """Return the URL that was given, or else the environment's, with a bound on connecting."""
    chosen = require_database_url() if url is None else normalise_url(url)
    if "connect_timeout" in chosen.query:
        return chosen
    return chosen.update_query_dict({"connect_timeout": _PATIENCE})


@contextmanager
def connected(url: str | None) -> Iterator[Engine]:
    """Lend an engine, and dispose of it afterwards."""
    engine, _ = resolve_engine(chosen_url(url))
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def tracking(
    url: str | None, schema: str | None = None, **settings: Any
) -> Iterator[ExecutionTracker]:
    """Lend a tracker, and close it afterwards."""
    with (
        connected(url) as engine,
        ExecutionTracker(engine, schema=schema, **settings) as tracker,
    ):
        yield tracker


def local_user(engine: Engine, tracker: ExecutionTracker, schema: str | None = None) -> UUID:
    """Return the local user of a standalone database, made now if need be.

    Raises CommandLineError where users are made by somebody else, such as Supabase's auth service.
    """
    from exec_tracker.migrations.standin import STAND_IN_COMMENT  # noqa: PLC0415 - slow to import

    table = f'"{schema}".workflow_executions' if schema else "workflow_executions"
    with engine.connect() as connection:
        users, ours = connection.execute(
            _IDENTITY, {"executions": table, "ours": STAND_IN_COMMENT}
        ).one()
        standalone = ours and users == "auth.users"
        known = standalone and connection.execute(_KNOWN, {"id": LOCAL_USER}).first() is not None
    if users is not None and not standalone:
        raise CommandLineError(
            f"this database has users of its own in {users}: say with --user UUID whose "
            "execution it is",
            ExitStatus.NO_USER,
        )
    if standalone and not known:  # asked first, so that a read-only server can still replay
        tracker.ensure_user(LOCAL_USER)
    return LOCAL_USER

"""Bring a database to the schema this package needs, or say what that would take.

The revisions live in one folder: `alembic/` at the root of the repository, which a wheel
carries as `exec_tracker/_alembic`. The version table is `exec_tracker_alembic_version`.
"""

from __future__ import annotations

import io
import threading
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import alembic.context
import alembic.op
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, pool

from exec_tracker.connections import engine_options
from exec_tracker.migrations.drift import Drift, find_drifts
from exec_tracker.migrations.environment import CONNECTION_KEY, WRITES_KEY
from exec_tracker.migrations.explaining import connecting, in_our_errors
from exec_tracker.migrations.hosting import include_object
from exec_tracker.migrations.options import OPTIONS_KEY, VERSION_TABLE
from exec_tracker.migrations.placement import schema_of
from exec_tracker.settings import normalise_url, require_database_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import URL

    Target = Connection | Engine | URL | str | None

__all__ = [
    "VERSION_TABLE",
    "Drift",
    "check",
    "current",
    "downgrade",
    "include_object",
    "script_location",
    "sql",
    "stamp",
    "upgrade",
]

_PACKAGE: Final = Path(__file__).resolve().parent.parent

_ONE_AT_A_TIME: Final = threading.RLock()
"""Alembic keeps what it works on in module globals. Reentrant: a host's revision may call us."""


def upgrade(
    target: Target = None,
    revision: str = "head",
    *,
    identity: str | None = None,
    users_table: str | None = None,
    schema: str | None = None,
    concurrently: bool | None = None,
) -> None:
    """Upgrade the schema to `revision`, waiting for any other upgrade of the same database.

    A connection that is in a transaction is joined: nothing is committed, and indexes are
    built inside it. Otherwise every revision is a transaction of its own, and indexes are
    built concurrently. Without a target, EXEC_TRACKER_DATABASE_URL or DATABASE_URL is taken.

    Raises:
        ConfigurationError: no database is configured, there is no such revision, or the identity
            cannot be had.
        SchemaError: the tables exist without a recorded revision, and the message tells the
            stamp; or they are not as a revision expects them.
        SchemaTooNewError: the database is at a revision that this package does not know.
        StorageError: the database refused the connection or a statement; TransientStorageError
            where it may go better later.
    """
    options = _given(identity, users_table, schema, concurrently)
    with _prepared(target, options, writes=True) as config:
        command.upgrade(config, revision)


def downgrade(
    target: Target = None,
    revision: str = "base",
    *,
    schema: str | None = None,
) -> None:
    """Take the schema back to `revision`; going below a revision drops the data it holds.

    Raises:
        ConfigurationError: no database is configured, or there is no such revision.
        SchemaError: the schema is not as a revision expects it.
        SchemaTooNewError: the database is at a revision that this package does not know.
        StorageError: as `upgrade`.
    """
    with _prepared(target, _given(schema=schema), writes=True) as config:
        command.downgrade(config, revision)


def stamp(target: Target = None, revision: str = "head", *, schema: str | None = None) -> None:
    """Record `revision` without running anything: how a schema made by hand is adopted.

    Raises:
        ConfigurationError: no database is configured, or there is no such revision.
        StorageError: as `upgrade`.
    """
    with _prepared(target, _given(schema=schema), writes=True) as config:
        command.stamp(config, revision)


def current(target: Target = None, *, schema: str | None = None) -> str | None:
    """Return the revision the database is at, or None where none is recorded.

    Raises:
        ConfigurationError: no database is configured.
        StorageError: as `upgrade`.
    """
    with in_our_errors(), _connected(target) as connection:
        opts = {"version_table": VERSION_TABLE, "version_table_schema": schema}
        return MigrationContext.configure(connection, opts=opts).get_current_revision()


def check(target: Target = None, *, schema: str | None = None) -> list[Drift]:
    """Return where the database differs from what this package needs; [] is as it should be.

    Only the catalogs are read, and what is there is judged, not a recorded revision. What the
    host has added (columns, indexes, triggers, grants to its own roles) is no difference.

    Raises:
        ConfigurationError: no database is configured.
        StorageError: as `upgrade`.
    """
    with (
        in_our_errors(),
        _connected(target) as connection,
        schema_of(connection, schema, make=False),
    ):
        return find_drifts(connection)


def sql(
    revision: str = "head",
    *,
    identity: str | None = None,
    users_table: str | None = None,
    schema: str | None = None,
    concurrently: bool | None = None,
) -> str:
    """Return the script that `upgrade` would run; `revision` may be a range `from:to`.

    No database is asked, so `identity` is taken to be `supabase` unless told otherwise.

    Raises:
        ConfigurationError: an option has a value that is none of those documented, or there is no
            such revision.
    """
    config = _config(_given(identity, users_table, schema, concurrently))
    config.output_buffer = output = io.StringIO()
    with in_our_errors(), _ONE_AT_A_TIME, _outer_run_preserved():
        command.upgrade(config, revision if ":" in revision else f"base:{revision}", sql=True)
    return output.getvalue()


def script_location() -> Path:
    """Return the folder with `env.py` and `versions/`, also for a host's `version_locations`."""
    packaged = _PACKAGE / "_alembic"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "alembic"


def _given(
    identity: str | None = None,
    users_table: str | None = None,
    schema: str | None = None,
    concurrently: bool | None = None,
) -> dict[str, Any]:
    return {
        "identity": identity,
        "users_table": users_table,
        "schema": schema,
        "concurrently": concurrently,
    }


def _config(options: dict[str, Any]) -> Config:
    config = Config()
    config.set_main_option("script_location", str(script_location()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes[OPTIONS_KEY] = options
    return config


@contextmanager
def _prepared(target: Target, options: dict[str, Any], *, writes: bool) -> Iterator[Config]:
    config = _config(options)
    with (
        in_our_errors(),
        _ONE_AT_A_TIME,
        _connected(target) as connection,
        _outer_run_preserved(),
    ):
        config.attributes[CONNECTION_KEY] = connection
        config.attributes[WRITES_KEY] = writes
        yield config


def _connected(target: Target) -> AbstractContextManager[Connection]:
    if isinstance(target, Connection):
        return nullcontext(target)
    if isinstance(target, Engine):
        engine = target
    else:
        url = require_database_url() if target is None else normalise_url(target)
        engine = create_engine(url, poolclass=pool.NullPool, **engine_options(url))
    with connecting():
        return engine.connect()


@contextmanager
def _outer_run_preserved() -> Iterator[None]:
    """Give `op` and `context` back to the host's revision that called us.

    Alembic keeps them in module globals, which an inner run overwrites and then clears.
    """
    outer = [vars(module).get("_proxy") for module in (alembic.op, alembic.context)]
    try:
        yield
    finally:
        for proxy in outer:
            if proxy is not None:
                proxy._install_proxy()  # noqa: SLF001 - no public way to nest

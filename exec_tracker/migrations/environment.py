"""What `alembic/env.py` runs: online and offline, on a connection of ours or of the caller."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from alembic import command, context
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, pool
from sqlalchemy.exc import OperationalError

from exec_tracker.connections import engine_options
from exec_tracker.errors import ExecTrackerError, SchemaTooNewError
from exec_tracker.migrations.drift import COMPARISON
from exec_tracker.migrations.explaining import connecting
from exec_tracker.migrations.locking import exclusively
from exec_tracker.migrations.options import OPTIONS_KEY, VERSION_TABLE, Options
from exec_tracker.migrations.placement import schema_of, schema_script
from exec_tracker.migrations.triggers import tell_of_triggers
from exec_tracker.settings import normalise_url, require_database_url
from exec_tracker.sqlstates import LOCK_NOT_AVAILABLE, sqlstate_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config

__all__ = ["CONNECTION_KEY", "WRITES_KEY", "run"]

CONNECTION_KEY: Final = "connection"
WRITES_KEY: Final = "exec_tracker_writes"

_LOG: Final = logging.getLogger(__name__)

_LOCK_TRIES: Final = 100
"""About two minutes of a second each: long transactions end, or somebody looks why not."""

_LOCK_PAUSE_SECONDS: Final = 0.5
"""Those who queued behind a try get through in between."""

_SCRIPT_HEADER: Final = """\
-- Schema of exec_tracker. One transaction, unless indexes are built concurrently.
-- The version table is Alembic's own; its VARCHAR never changes size.
-- squawk-ignore-file prefer-text-field"""

_SCRIPT_SETTINGS: Final = (
    # Give up soon, since everybody else queues behind a lock that a statement waits for.
    "SET LOCAL lock_timeout = '2s'",
    "SET LOCAL statement_timeout = '15min'",
)

_WRITING_COMMANDS: Final = (command.upgrade, command.downgrade, command.stamp)


def run() -> None:
    """Run the command that Alembic was started with.

    Raises:
        ExecTrackerError: as documented there; as Alembic's CommandError on its command line,
            which prints that as a sentence and anything else as a traceback.
    """
    config = context.config
    try:
        options = Options.gather(
            config.attributes.get(OPTIONS_KEY, {}), context.get_x_argument(as_dictionary=True)
        )
        if context.is_offline_mode():
            _run_offline(options)
        else:
            _run_online(config, options)
    except ExecTrackerError as error:
        if config.cmd_opts is None:
            raise
        raise CommandError(str(error)) from error


def _run_offline(options: Options) -> None:
    # Named parameters, or the percent signs of the SQL come out doubled.
    _configure(options, dialect_name="postgresql", dialect_opts={"paramstyle": "named"})
    context.get_context().impl.static_output(_SCRIPT_HEADER)
    with context.begin_transaction():
        for statement in _SCRIPT_SETTINGS:
            context.execute(statement)
        if options.schema is not None:
            for statement in schema_script(options.schema):
                context.execute(statement)
        context.run_migrations()


def _run_online(config: Config, options: Options) -> None:
    with (
        _connection(config) as connection,
        exclusively(connection) if _writes(config) else nullcontext(),
        schema_of(connection, options.schema, make=_writes(config)),
    ):
        joined = connection.in_transaction()
        for patience in reversed(range(_LOCK_TRIES)):
            _configure(options, connection=connection, transaction_per_migration=not joined)
            _refuse_newer_schema(config)
            try:
                with context.begin_transaction():
                    context.run_migrations()
            except OperationalError as error:
                if joined or not patience or sqlstate_of(error) != LOCK_NOT_AVAILABLE:
                    raise
                _LOG.info("Others hold the lock that this revision needs; trying again.")
                time.sleep(_LOCK_PAUSE_SECONDS)
            else:
                if _writes(config):
                    tell_of_triggers(connection)
                return


def _configure(options: Options, **how: Any) -> None:
    how[OPTIONS_KEY] = options
    context.configure(
        **how,
        **COMPARISON,
        version_table=VERSION_TABLE,
        version_table_schema=options.schema,
        literal_binds=context.is_offline_mode(),
    )


def _writes(config: Config) -> bool:
    if config.cmd_opts is not None:
        return config.cmd_opts.cmd[0] in _WRITING_COMMANDS
    return bool(config.attributes.get(WRITES_KEY))


@contextmanager
def _connection(config: Config) -> Iterator[Connection]:
    given = config.attributes.get(CONNECTION_KEY)
    if given is not None:
        yield given
        return
    configured = config.get_main_option("sqlalchemy.url")
    url = normalise_url(configured) if configured else require_database_url()
    engine = create_engine(url, poolclass=pool.NullPool, **engine_options(url))
    with connecting():
        connection = engine.connect()
    with connection:
        yield connection


def _refuse_newer_schema(config: Config) -> None:
    script = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in script.walk_revisions()}
    unknown = set(context.get_context().get_current_heads()) - known
    if unknown:
        raise SchemaTooNewError(
            f"the database is at revision {', '.join(sorted(unknown))}, which this version of "
            "exec_tracker does not know; upgrade the package"
        )

"""What `alembic/env.py` runs: online and offline, on a connection of ours or of the caller."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from alembic import command, context
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, pool, text

from exec_tracker.errors import ExecTrackerError, SchemaTooNewError
from exec_tracker.migrations.locking import exclusively
from exec_tracker.migrations.options import OPTIONS_KEY, Options
from exec_tracker.models import Base
from exec_tracker.settings import normalise_url, require_database_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config

__all__ = ["CONNECTION_KEY", "VERSION_TABLE", "WRITES_KEY", "run"]

VERSION_TABLE: Final = "exec_tracker_alembic_version"
"""Of our own, so that the host's Alembic and ours never see each other's revisions."""

CONNECTION_KEY: Final = "connection"
WRITES_KEY: Final = "exec_tracker_writes"

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
    with context.begin_transaction():
        if options.schema is not None:
            context.execute(f"CREATE SCHEMA IF NOT EXISTS {_quote(options.schema)}")
            context.execute(f"SET LOCAL search_path TO {_quote(options.schema)}")
        context.run_migrations()


def _run_online(config: Config, options: Options) -> None:
    with (
        _connection(config) as connection,
        exclusively(connection) if _writes(config) else nullcontext(),
        _search_path(connection, options),
    ):
        _configure(options, connection=connection, transaction_per_migration=True)
        _refuse_newer_schema(config)
        with context.begin_transaction():
            context.run_migrations()


def _configure(options: Options, **how: Any) -> None:
    how[OPTIONS_KEY] = options
    context.configure(
        **how,
        target_metadata=Base.metadata,
        version_table=VERSION_TABLE,
        version_table_schema=options.schema,
        include_name=_is_ours,
        compare_server_default=True,
        literal_binds=context.is_offline_mode(),
    )


def _is_ours(name: str | None, type_: str, parent_names: Any) -> bool:
    del parent_names
    return type_ != "table" or name in Base.metadata.tables


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
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        yield connection


@contextmanager
def _search_path(connection: Connection, options: Options) -> Iterator[None]:
    """Let unqualified names mean the schema that was asked for; put the path back after."""
    if options.schema is None:
        yield
        return
    joined = connection.in_transaction()
    before = connection.scalar(text("SELECT current_setting('search_path')"))
    _set_path(connection, _quote(options.schema), local=joined)
    exists = connection.scalar(
        text("SELECT to_regnamespace(:name)"), {"name": _quote(options.schema)}
    )
    if exists is None:
        connection.execute(text(f"CREATE SCHEMA {_quote(options.schema)}"))
    if not joined:
        connection.commit()
    try:
        yield
    finally:
        if not connection.invalidated and (not joined or connection.in_transaction()):
            _set_path(connection, before, local=joined)
            if not joined:
                connection.commit()


def _set_path(connection: Connection, path: str | None, *, local: bool) -> None:
    statement = text("SELECT set_config('search_path', :path, :local)")
    connection.execute(statement, {"path": path, "local": local})


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _refuse_newer_schema(config: Config) -> None:
    script = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in script.walk_revisions()}
    unknown = set(context.get_context().get_current_heads()) - known
    if unknown:
        raise SchemaTooNewError(
            f"the database is at revision {', '.join(sorted(unknown))}, which this version of "
            "exec_tracker does not know; upgrade the package"
        )

"""Borrow a connection for single statements in autocommit, and give it back as it was.

The driver's autocommit attribute is used and not SQLAlchemy's isolation-level option: on a shared
engine the option makes SQLAlchemy send SET at every check-in, a round trip and a session-level
setting that poolers leak.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session, sessionmaker

from exec_tracker.ending import replace_ended
from exec_tracker.errors import (
    ConfigurationError,
    ExecTrackerError,
    StorageError,
    TransientStorageError,
)
from exec_tracker.repository import ExecutionRepository
from exec_tracker.settings import normalise_url
from exec_tracker.sqlstates import translate_connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import URL, Dialect
    from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

C = TypeVar("C")

Bind = "Engine | sessionmaker[Session] | URL | str"

MOST_CONNECTIONS = 15  # of a tracker made from a URL; SQLAlchemy's default for an engine

# Connections of a parent process, kept from being finalised here: asyncpg's finaliser would take
# their sockets out of the epoll that a fork shares, and the parent would wait for ever.
_left_alone: list[Any] = []


def leave_alone(*inherited: Any) -> None:
    """Keep what belongs to a parent process from being finalised in this one."""
    _left_alone.extend(inherited)


_guarded: WeakKeyDictionary[Any, int] = WeakKeyDictionary()


def resolve_engine(bind: Engine | sessionmaker[Session] | URL | str) -> tuple[Engine, bool]:
    """Return the engine behind `bind`, and whether it was made here and is ours to dispose."""
    if isinstance(bind, Engine):
        return check_engine(bind), False
    if isinstance(bind, sessionmaker):
        return check_engine(engine_of_factory(bind)), False
    url = normalise_url(bind)
    engine = check_engine(create_engine(url, **engine_options(url)))
    replace_ended(engine)
    return engine, True


def retire(engine: Engine) -> None:
    """Have an engine of our own close its connections: those in use when they are given back.

    A pool that is only disposed of would keep what comes back to it, open, until it is collected.
    """
    event.listen(engine, "checkin", _close_at_checkin)
    engine.dispose()


def _close_at_checkin(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.invalidate()


def engine_options(url: URL) -> dict[str, Any]:
    """Return what an engine of our own is made with, so that it also works behind a pooler."""
    # A named prepared statement stays in the server connection, and the next statement may come to
    # another one. Without its cache asyncpg parses anew whenever it executes, and without
    # SQLAlchemy's no statement outlives its execution.
    no_prepared_statements: dict[str, dict[str, Any]] = {
        "psycopg": {"prepare_threshold": None},
        "asyncpg": {"statement_cache_size": 0, "prepared_statement_cache_size": 0},
    }
    return {"connect_args": no_prepared_statements.get(url.get_driver_name(), {})}


def engine_of_factory(factory: Any) -> Engine:
    """Return the one engine that a session factory is bound to, or raise ConfigurationError."""
    if factory.kw.get("binds"):
        raise ConfigurationError(
            "The session factory is bound to several engines; a claim and its result must be in "
            "one database. Pass the engine that holds workflow_executions."
        )
    bind = factory.kw.get("bind")
    bind = getattr(bind, "sync_engine", bind)
    if not isinstance(bind, Engine):
        raise ConfigurationError(
            "The session factory has no engine; pass sessionmaker(bind=engine) or the engine."
        )
    return bind


def check_engine(engine: Engine) -> Engine:
    """Return a PostgreSQL engine that is safe across a fork, or raise ConfigurationError."""
    if engine.dialect.name != "postgresql":
        raise ConfigurationError(
            f"exec_tracker needs PostgreSQL; this engine is for {engine.dialect.name}."
        )
    guard_against_fork(engine)
    return engine


def guard_against_fork(engine: Engine) -> None:
    """Have the engine's pool drop connections that another process has made.

    After a fork two processes would share one socket (SQLAlchemy manual, "Using Connection Pools
    with Multiprocessing"). The inherited connection is forgotten, not closed: it is the parent's.
    """
    if engine in _guarded:
        return
    _guarded[engine] = os.getpid()

    def remember(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["exec_tracker_pid"] = os.getpid()

    def check(_connection: Any, record: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
        made_by = record.info.get("exec_tracker_pid", _guarded[engine])
        if made_by != os.getpid():
            leave_alone(record.dbapi_connection)
            record.dbapi_connection = None  # type: ignore[misc] # as the manual's recipe does
            proxy.dbapi_connection = None  # type: ignore[misc] # as the manual's recipe does
            raise DisconnectionError(f"connection belongs to process {made_by}")

    event.listen(engine, "connect", remember)
    event.listen(engine, "checkout", check)


def run_in_autocommit(
    connect: Callable[[], PoolProxiedConnection],
    dialect: Dialect,
    schema: str | None,
    core: Callable[..., C],
    *arguments: Any,
    **keywords: Any,
) -> C:
    """Call a core function with a repository each of whose statements commits by itself.

    The driver's autocommit is switched on for it, and back to what it was; a connection that broke
    is dropped. Raises TransientStorageError where no connection can be had, and StorageError where
    the server refuses one: nothing was sent then.
    """
    borrowed = checkout(connect, dialect)
    try:
        connection: Any = borrowed.dbapi_connection
        before = connection.autocommit
        if not before:
            connection.autocommit = True
        try:
            executions = ExecutionRepository(connection, dialect, schema=schema)
            return core(executions, *arguments, **keywords)
        except BaseException as exc:
            if is_unusable_after(exc):
                borrowed.invalidate()
            raise
        finally:
            if not before and borrowed.is_valid:
                _leave_autocommit(borrowed)
    finally:
        borrowed.close()


def checkout(connect: Callable[[], C], dialect: Dialect) -> C:
    """Take a connection from a pool, translating what can go wrong."""
    try:
        return connect()
    except PoolTimeoutError as exc:
        raise TransientStorageError(
            "No connection became free in the pool; raise pool_size or pool_timeout."
        ) from exc
    except _connect_errors(dialect) as exc:
        raise translate_connect(exc) from exc


def _connect_errors(dialect: Dialect) -> tuple[type[Exception], ...]:
    """Return what can go wrong on the way to a server: a pool raises what the driver raises.

    asyncpg lets the socket's errors through, and SQLAlchemy 2.0 asyncpg's own.
    """
    dbapi: Any = dialect.loaded_dbapi
    asyncpg = getattr(dbapi, "asyncpg", None)
    own = (asyncpg.PostgresError, asyncpg.InterfaceError) if asyncpg else ()
    return (DBAPIError, dbapi.Error, OSError, *own)


def is_unusable_after(error: BaseException) -> bool:
    """Tell whether nobody knows what a connection would answer next: interrupted half-way or lost.

    What the tracker did not raise is an interrupt: a task queue's time limit is an Exception.
    """
    lost = isinstance(error, StorageError) and error.in_doubt
    return lost or not isinstance(error, ExecTrackerError)


def _leave_autocommit(borrowed: PoolProxiedConnection) -> None:
    """Put the attribute back; a connection that refuses has died, whatever its last answer was.

    That answer stands: an error here would hide it, and a claim that was made would be forgotten.
    """
    connection: Any = borrowed.dbapi_connection
    try:
        connection.autocommit = False
    except Exception:  # noqa: BLE001 # drivers raise their own, and mean the same
        borrowed.invalidate()

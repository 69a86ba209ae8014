"""One upgrade at a time in a database."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

__all__ = ["exclusively"]

_LOG: Final = logging.getLogger(__name__)

_KEY: Final = 0x65786563_74726B  # "exectrk": one key for all upgraders of one database
_POLL_SECONDS: Final = 0.2

_TRY: Final = text("SELECT pg_try_advisory_xact_lock(:key)")
_LET_GO: Final = text("SHOW server_version")


@contextmanager
def exclusively(connection: Connection) -> Iterator[None]:
    """Hold the upgraders' lock, in the caller's transaction where there is one.

    It is polled for: a waiting statement holds a snapshot, for which another upgrader's
    CREATE INDEX CONCURRENTLY would wait in its turn. Without a transaction of the caller the
    lock lives in one of its own, on a second connection, since index builds cannot run in
    any; an advisory lock of the session would outlive us behind a transaction pooler.
    """
    if connection.in_transaction():
        _poll(lambda: _try_lock(connection))
        yield
        return
    with connection.engine.connect() as guard:
        # Where the default is stricter, the open transaction would keep a snapshot.
        guard = guard.execution_options(isolation_level="READ COMMITTED")  # noqa: PLW2901
        _poll(lambda: _locks_or_ends(guard))
        yield
        guard.rollback()


def _poll(locked: Callable[[], bool]) -> None:
    waiting = False
    while not locked():
        if not waiting:
            _LOG.info("Another upgrade of this database is running; waiting for it.")
            waiting = True
        time.sleep(_POLL_SECONDS)


def _locks_or_ends(guard: Connection) -> bool:
    """Try once; between tries no transaction is left open, nor a pooler's connection taken."""
    guard.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    locked = _try_lock(guard)
    if not locked:
        guard.rollback()
    return locked


def _try_lock(connection: Connection) -> bool:
    locked = connection.scalar(_TRY, {"key": _KEY})
    # With drivers that speak the extended protocol, a SELECT's portal stays open, and keeps its
    # snapshot, until another statement takes its place; one that needs no snapshot itself.
    connection.execute(_LET_GO)
    return bool(locked)

"""Keep connections of the tracker's own in autocommit, ready for the next statement.

Checking a connection out of a pool, switching it to autocommit and back costs as much Python as the
statement itself costs the server. A tracker that was given a URL owns its connections, so that they
can stay as they are from one statement to the next.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from exec_tracker.connections import checkout, is_unusable_after, leave_alone
from exec_tracker.ending import end_of
from exec_tracker.errors import StorageError
from exec_tracker.repository import ExecutionRepository

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine
    from sqlalchemy.pool import Pool, PoolProxiedConnection


# Looking at a connection lets other threads go first, and no server is back within so short a time.
_SURE_SECONDS = 0.1


@dataclass(slots=True, eq=False)
class _Kept:
    borrowed: PoolProxiedConnection
    executions: ExecutionRepository
    has_ended: Callable[[], bool]
    used_at: float = 0.0


class KeptConnections:
    """Connections that stay checked out of a pool of their own, the last used first.

    The pool bounds how many there are, and who comes when all are in use waits there. Opens nothing
    before the first call. Threads share it; a forked child begins with none.
    """

    def __init__(self, engine: Engine, schema: str | None) -> None:
        """Make connections as `engine` does, beside the ones in its pool."""
        self._engine = engine
        self._schema = schema
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._pool: Pool = self._engine.pool.recreate()
        # Appending to a list and popping from it are atomic, and all that a call needs.
        self._idle: list[_Kept] = []
        self._waiting = 0
        self._lock = threading.Lock()

    def run(self, core: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Call a core function with a repository whose statements commit by themselves.

        Raises TransientStorageError where no connection can be had, and StorageError where the
        server refuses one: nothing was sent then.
        """
        kept = self._take()
        try:
            answer = core(kept.executions, *arguments, **keywords)
        except BaseException as exc:
            self._give_back_after(exc, kept)
            raise
        self._give_back(kept)
        return answer

    def close(self) -> None:
        """Close the connections: those in use when they are given back."""
        self._closed = True
        if self._pid == os.getpid():
            self._close_idle()
            self._pool.dispose()  # what a waiter was given, and nobody needs any more

    def _take(self) -> _Kept:
        if self._pid != os.getpid():
            # The parent's: they are neither used here nor closed.
            leave_alone(*self._idle, self._pool)
            self._begin()
        try:
            return self._pop()
        except IndexError:
            return self._open()

    def _pop(self) -> _Kept:
        """Take the one that was used last; those that ended meanwhile are dropped."""
        while True:
            kept = self._idle.pop()
            if monotonic() - kept.used_at < _SURE_SECONDS or not kept.has_ended():
                return kept
            kept.borrowed.invalidate()

    def _open(self) -> _Kept:
        """Open another, or wait for one where there are as many as there may be.

        Who waits says so and looks again; who gives back looks for waiters last. So a connection
        cannot lie idle while somebody waits for one.
        """
        with self._lock:
            self._waiting += 1
        try:
            return self._pop()
        except IndexError:
            return self._check_out()
        finally:
            with self._lock:
                self._waiting -= 1

    def _check_out(self) -> _Kept:
        dialect = self._engine.dialect
        borrowed = checkout(self._pool.connect, dialect)
        driver: Any = borrowed.dbapi_connection
        driver.autocommit = True
        executions = ExecutionRepository(driver, dialect, schema=self._schema)
        return _Kept(borrowed, executions, end_of(driver))

    def _give_back(self, kept: _Kept) -> None:
        kept.used_at = monotonic()
        self._idle.append(kept)
        if self._closed:
            self._close_idle()
        elif self._waiting and self._idle:
            self._pop_for_a_waiter()

    def _pop_for_a_waiter(self) -> None:
        with suppress(IndexError):  # somebody else has it
            self._idle.pop().borrowed.close()

    def _give_back_after(self, error: BaseException, kept: _Kept) -> None:
        if not is_unusable_after(error):
            self._give_back(kept)
            return
        kept.borrowed.invalidate()
        if isinstance(error, StorageError):
            # A server that went away has taken the others along.
            self._close_idle()

    def _close_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().borrowed.invalidate()

"""Actors take turns: each stops before its next statement, and hands over while it waits.

An actor is a greenlet on a connection of its own. psycopg2 calls `_wait` while the server works; a
statement that does not answer is looked up in pg_blocking_pids, so that being blocked is seen and
not guessed. Nothing runs in parallel, so one order of turns always gives one outcome.
"""

from __future__ import annotations

import select
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import psycopg2
from greenlet import getcurrent, greenlet  # type: ignore[import-untyped] # ships none
from psycopg2 import extensions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# How long a statement may take before the lock table is asked about it; a wrong guess costs one
# round trip and changes nothing.
_SUSPICIOUS_SECONDS = 0.002

# What may happen when an actor's turn comes: its next step; its process dies; the connection breaks
# before the statement has arrived; the statement arrives and its answer does not; the server
# refuses the statement for good; somebody presses Ctrl-C.
Turn = Literal["step", "vanish", "drop", "cut", "refuse", "interrupt"]


class VanishedError(BaseException):
    """The actor's process is gone: nothing of its code may run any more."""


class Monitor:
    """A connection that looks at locks, and at nothing else."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True

    def blockers(self, pid: int) -> list[int]:
        """Return the backends whose locks this one waits for."""
        return list(self._ask("SELECT pg_blocking_pids(%s)", pid))

    def terminate(self, pid: int) -> None:
        """End a backend, as the loss of its client would, and wait until its locks are gone."""
        self._ask("SELECT pg_terminate_backend(%s, 5000)", pid)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def owns(self, connection: Any) -> bool:
        """Tell whether it is this monitor's own."""
        return connection is self._connection

    def _ask(self, query: str, pid: int) -> Any:
        with self._connection.cursor() as cursor:
            cursor.execute(query, (pid,))
            return cursor.fetchone()[0]


class Turns:
    """One greenlet that moves when told, and tells where it stopped."""

    def __init__(self, work: Callable[[Turns], Any]) -> None:
        self._work = work
        self._scheduler = getcurrent()
        self._greenlet = greenlet(self._run)
        self._greenlet.turns = self
        self.label = ""
        self.is_blocked = False
        self.waiting_pid = 0
        self.session_pid = 0
        self.is_done = False
        self.has_vanished = False
        self.history: list[Any] = []
        self.outcome: Any = None

    def resume(self, turn: Turn = "step") -> None:
        """Let it move to its next gate, to a lock that it must wait for, or to its end."""
        self._scheduler = getcurrent()
        self._greenlet.switch(turn)

    def gate(self, label: str) -> Turn:
        """Stop here until told to go on."""
        if self.has_vanished:
            raise VanishedError
        self.label = label
        turn: Turn = self._scheduler.switch()
        if turn == "vanish":
            self.has_vanished = True
            raise VanishedError
        return turn

    def vanish(self) -> None:
        """End it: nothing of its code runs any more, its cleaning up aside."""
        if not self.is_done:
            self.resume("vanish")

    def blocked(self, pid: int) -> None:
        """Hand over while the server makes this backend wait."""
        self.is_blocked, self.waiting_pid = True, pid
        self._scheduler.switch()
        self.is_blocked = False

    def _run(self, _first: Turn) -> None:
        try:
            self.outcome = self._work(self)
        except VanishedError as gone:
            self.outcome = gone
        finally:
            self.is_done = True


def current_turns() -> Turns | None:
    """Return whose code is running, or None outside any actor."""
    return getattr(getcurrent(), "turns", None)


@contextmanager
def cooperative(monitor: Monitor) -> Iterator[None]:
    """Have psycopg2 hand over while it waits, in this process."""

    def wait(connection: Any) -> None:
        _wait(monitor, connection)

    extensions.set_wait_callback(wait)
    try:
        yield
    finally:
        extensions.set_wait_callback(None)


def _wait(monitor: Monitor, connection: Any) -> None:
    turns = None if monitor.owns(connection) else current_turns()
    patience = None if turns is None else _SUSPICIOUS_SECONDS
    while True:
        state = connection.poll()
        if state == extensions.POLL_OK:
            return
        wanted = ([connection], []) if state == extensions.POLL_READ else ([], [connection])
        answered = any(select.select(*wanted, [], patience))
        pid = connection.info.backend_pid
        if not answered and turns and monitor.blockers(pid):
            turns.blocked(pid)

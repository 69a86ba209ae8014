"""Where an actor sits: connections of its own, and the repository that stops before statements."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import psycopg2
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from exec_tracker import sessions, sqlstates
from exec_tracker.errors import StorageError
from exec_tracker.repository import ExecutionRepository
from exec_tracker.settings import normalise_url
from proof.cooperation import VanishedError, current_turns
from proof.labels import READS
from proof.normal import normal_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exec_tracker.statements import Statement
    from proof.cooperation import Monitor, Turns

# Time stands still in a schedule, so that nobody's patience ends while others have their turns.
_NO_LIMIT = timedelta(minutes=10)
# Whether the transaction has written or locked anything: only then does it get a number.
_HAS_WRITTEN = "SELECT pg_current_xact_id_if_assigned() IS NOT NULL"


def lost_answer() -> Exception:
    """Return what a driver's error becomes when the connection died under a statement."""
    cause = psycopg2.OperationalError("server closed the connection unexpectedly")
    return sqlstates.translate(cause)


class Seat:
    """One client: a connection in autocommit, and an engine for sessions, both opened once."""

    def __init__(self, url: str, monitor: Monitor) -> None:
        self._url = url
        self._monitor = monitor
        self.engine = create_engine(normalise_url(url), pool_size=1, max_overflow=4)
        with self.engine.connect():
            pass
        self._spares: list[Any] = []
        self.connection = self._connect()
        self.zombies: list[Any] = []

    def _connect(self) -> Any:
        if self._spares:
            return self._spares.pop()
        connection = psycopg2.connect(self._url)
        connection.autocommit = True
        return connection

    def session(self) -> Session:
        """Open a session of the host's or the tracker's."""
        return Session(self.engine)

    def kill_session(self, session: Session) -> None:
        """Break a session's connection under it."""
        driver: Any = session.connection().connection.dbapi_connection
        self._monitor.terminate(driver.info.backend_pid)

    def repository(self) -> GatedRepository:
        """Return the repository on the connection in autocommit."""
        repository = GatedRepository(self.connection, self.engine.dialect, lock_timeout=_NO_LIMIT)
        repository.seat = self
        return repository

    def write(self, turns: Turns, name: str, run: Callable[[], list[Any]]) -> list[Any]:
        """Run an autocommitted write; where it locked a row, its commit is a turn of its own.

        So other statements come upon it while it is in flight. A client that is lost then leaves
        its backend behind, which has the statement and will commit it, or not.
        """
        self.execute("BEGIN")
        try:
            rows = run()
        except BaseException:
            self.execute("ROLLBACK")
            raise
        if not self._has_written():
            self.execute("COMMIT")
            return rows
        try:
            turn = turns.gate(f"commit {name}")
        except VanishedError:
            self._leave_behind()
            raise
        if turn in {"cut", "interrupt"}:
            self._leave_behind()
            raise lost_answer() if turn == "cut" else KeyboardInterrupt
        self.execute("COMMIT")
        return rows

    def _has_written(self) -> bool:
        with self.connection.cursor() as cursor:
            cursor.execute(_HAS_WRITTEN)
            return bool(cursor.fetchone()[0])

    def _leave_behind(self) -> None:
        self.zombies.append(self.connection)
        self.connection = self._connect()

    def end_zombie(self, connection: Any, word: str) -> None:
        """Let a backend that was left behind commit or roll back."""
        with connection.cursor() as cursor:
            cursor.execute(word)
        self._spares.append(connection)

    def execute(self, sql: str) -> None:
        """Run a statement on the connection in autocommit."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql)

    def close(self) -> None:
        """Close everything."""
        for connection in (self.connection, *self._spares):
            connection.close()
        self.engine.dispose()


class GatedRepository(ExecutionRepository):
    """Stops before each statement, and remembers the answers."""

    seat: Seat | None = None

    def fetch(self, statement: Statement, **parameters: Any) -> list[Sequence[Any]]:
        """Run one statement when it is this actor's turn."""
        turns = current_turns()
        if turns is None:
            return super().fetch(statement, **parameters)
        try:
            rows = self._fetch_in_turn(turns, statement, parameters)
        except Exception as exc:
            turns.history.append((statement.name, type(exc).__name__))
            raise
        turns.history.append((statement.name, normal_rows(statement.name, rows)))
        return rows

    def _fetch_in_turn(
        self, turns: Turns, statement: Statement, parameters: dict[str, Any]
    ) -> list[Sequence[Any]]:
        connection: Any = self._connection
        if self.seat is None and not connection.closed:
            turns.session_pid = connection.info.backend_pid
        turn = turns.gate(statement.name)
        if turn == "drop":
            raise lost_answer()
        if turn == "refuse":
            raise StorageError("The database refused.", sqlstate="42501")
        if turn == "interrupt":
            raise KeyboardInterrupt

        def run() -> list[Sequence[Any]]:
            return ExecutionRepository.fetch(self, statement, **parameters)

        if self.seat is None or statement.name in READS:
            return run()
        return self.seat.write(turns, statement.name, run)


@contextmanager
def gated_sessions() -> Iterator[None]:
    """Have the transactional mode stop before each of the protocol's statements as well."""
    with mock.patch.object(sessions, "ExecutionRepository", GatedRepository):
        yield

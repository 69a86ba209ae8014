"""What happened, counted where no fault strikes: effects, rows, connections, seen from outside."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import psycopg2
import psycopg2.extras
from sqlalchemy import text

from exec_tracker import ExecuteOptions
from proof.stage import add_user

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sqlalchemy.orm import Session

    from proof.clients import Function, Write

WORKFLOW = "payments"
_PATIENCE = 30.0
_EFFECTS = "CREATE TABLE IF NOT EXISTS proof_writes (key text NOT NULL, run int NOT NULL)"
_AWAY = (psycopg2.OperationalError, psycopg2.InterfaceError)
# Sessions of other databases on the same server are nobody's business here.
_BACKENDS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class Ledger:
    """The outside of one database: it makes the functions that calls run, and counts their runs.

    A function's effect is either a note in this process, or a row that it writes in the session it
    was lent. Its result tells its run apart from every other.
    """

    def __init__(self, url: str) -> None:
        """Connect past every proxy, and make a user and a table for what sessions write."""
        self.url = url
        self.user_id: UUID = add_user(url)
        self._runs = itertools.count(1)
        self._notes: dict[str, list[int]] = defaultdict(list)
        self._lock = threading.Lock()
        self._connection: Any = None
        self.query(_EFFECTS)

    def options(self, key: str) -> ExecuteOptions:
        """Return the request that is made under a key."""
        return ExecuteOptions(
            idempotency_key=key,
            workflow_id=WORKFLOW,
            user_id=self.user_id,
            parameters={"key": key},
        )

    def outside(self, key: str) -> Function:
        """Return a function whose effect is noted here."""

        def function(_context: Any = None) -> dict[str, Any]:
            with self._lock:
                run = next(self._runs)
                self._notes[key].append(run)
            return {"key": key, "run": run}

        return function

    def inside(self, key: str) -> Write:
        """Return a function whose effect is a row, written in the session that it is lent."""

        def write(session: Session) -> dict[str, Any]:
            run = next(self._runs)
            insert = text("INSERT INTO proof_writes (key, run) VALUES (:key, :run)")
            session.execute(insert, {"key": key, "run": run})
            return {"key": key, "run": run}

        return write

    def effects(self, key: str) -> int:
        """Count what happened under a key: what was noted, and what was committed."""
        (written,) = self.query("SELECT count(*) AS n FROM proof_writes WHERE key = %s", key)
        with self._lock:
            return len(self._notes[key]) + int(written["n"])

    def runs(self) -> dict[str, list[int]]:
        """Return which runs had their effect, by key: those noted, and those committed."""
        with self._lock:
            found = {key: list(runs) for key, runs in self._notes.items()}
        for row in self.query("SELECT key, run FROM proof_writes ORDER BY run"):
            found.setdefault(row["key"], []).append(row["run"])
        return found

    def outcomes(self) -> dict[str, tuple[str, Any]]:
        """Return every execution's status, and the run that its result tells of."""
        rows = self.query(
            "SELECT id, status, (result ->> 'run')::int AS run FROM workflow_executions"
        )
        return {row["id"]: (row["status"], row["run"]) for row in rows}

    def row(self, key: str) -> dict[str, Any] | None:
        """Return the stored execution."""
        rows = self.query("SELECT * FROM workflow_executions WHERE id = %s", key)
        return rows[0] if rows else None

    def attempts(self, key: str) -> list[str]:
        """Return how the attempts in the history ended."""
        rows = self.query(
            "SELECT outcome FROM workflow_execution_attempts WHERE execution_id = %s ORDER BY id",
            key,
        )
        return [row["outcome"] for row in rows]

    def calm(self) -> None:
        """Have functions do no more than their effect from now on; for ledgers whose do more."""

    def problems(self) -> list[str]:
        """Return what is wrong with what was written; for ledgers that write more."""
        return []

    def backends(self) -> int:
        """Count the connections to this database, the ledger's own left out."""
        return int(self.query(_BACKENDS)[0]["count"])

    def query(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Run one statement on a connection of the ledger's own; wait for a server that is away."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return self._query(sql, values)
            except _AWAY:
                if time.monotonic() > deadline:
                    raise
                self.close()
                time.sleep(0.05)

    def _query(self, sql: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
        if self._connection is None:
            self._connection = psycopg2.connect(self.url)
            self._connection.autocommit = True
        with self._connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(sql, values or None)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def close(self) -> None:
        """Close the connection; the next statement opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def eventually(condition: Callable[[], Any], what: str, seconds: float = _PATIENCE) -> Any:
    """Return the condition's first truthy value, or raise TimeoutError telling what for."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:g} seconds still not: {what}")
        time.sleep(0.002)
    return value

"""What strikes a round from outside, at random moments: sessions, workers, rows, the server."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg2

from proof.outages.restarts import RESTARTS, restart

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from exec_tracker.embedded import EmbeddedPostgres
    from proof.soak.crew import Crew

_SESSIONS = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_TERMINATE = "SELECT pg_terminate_backend(%s)"
_CANCEL = "SELECT pg_cancel_backend(%s)"
_ACTIVE = _SESSIONS + " AND state = 'active'"
_LOCK = """
SELECT id FROM workflow_executions WHERE status = 'running' LIMIT 3 FOR UPDATE SKIP LOCKED
"""
_AWAY = (psycopg2.OperationalError, psycopg2.InterfaceError)


@dataclass(slots=True)
class Striking:
    """Strikes one round; `counted` says what it has struck."""

    server: EmbeddedPostgres
    url: str
    crew: Crew
    chance: random.Random
    per_minute: dict[str, float]
    counted: Counter[str] = field(default_factory=Counter)
    _connection: Any = None

    def until(self, end: float) -> None:
        """Strike until that moment, on the monotonic clock."""
        kinds: dict[str, Callable[[], int]] = {
            "session terminated": self._terminate,
            "statement cancelled": self._cancel,
            "worker killed": self._kill,
            "worker stopped for a while": self._stop,
            "rows locked by somebody else": self._lock,
            "server restarted or killed": self._restart,
        }
        due = {kind: self._next(kind) for kind in kinds}
        while (now := time.monotonic()) < end:
            kind = min(due, key=lambda one: due[one])
            if due[kind] > now:
                time.sleep(min(due[kind] - now, end - now))
                continue
            self.counted[kind] += kinds[kind]()
            due[kind] = self._next(kind)
        self._close()

    def _next(self, kind: str) -> float:
        """When it strikes next: as often as asked on average, at moments that nobody foresees."""
        return time.monotonic() + self.chance.expovariate(self.per_minute[kind] / 60)

    def _terminate(self) -> int:
        """Strike several sessions at once, as a failover or an operator does."""
        pids = [row[0] for row in self._query(_SESSIONS)]
        struck = self.chance.sample(pids, min(len(pids), self.chance.randint(1, 4)))
        return sum(bool(self._query(_TERMINATE, pid)) for pid in struck)

    def _cancel(self) -> int:
        pids = [row[0] for row in self._query(_ACTIVE)]
        return len(self._query(_CANCEL, self.chance.choice(pids))) if pids else 0

    def _kill(self) -> int:
        self.crew.kill_one()
        return 1

    def _stop(self) -> int:
        """Stop one for longer than a short lease, more often for less."""
        self.crew.stop_one(self.chance.expovariate(2.0))
        return 1

    def _lock(self) -> int:
        """Hold rows for longer than anybody waits for them, more often for less."""
        with suppress(*_AWAY):
            self._query("BEGIN")
            locked = len(self._query(_LOCK))
            time.sleep(self.chance.expovariate(2.0))
            self._query("ROLLBACK")
            return locked
        return 0

    def _restart(self) -> int:
        self._close()
        restart(self.server, self.chance.choice(list(RESTARTS)))
        return 1

    def _query(self, sql: str, *values: Any) -> list[Any]:
        if self._connection is None:
            self._connection = psycopg2.connect(self.url)
            self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else []

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

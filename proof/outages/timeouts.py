"""A server whose every time-out is shorter than the work, and rows that others lock crosswise."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg2
from sqlalchemy import text
from sqlalchemy.engine import make_url

from proof.ledger import Ledger
from proof.outages.drill import drill

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.orm import Session

    from exec_tracker.embedded import EmbeddedPostgres
    from proof.clients import Write
    from proof.outages.drill import Outage

# The longest work is longer than any of these.
_TIMEOUTS = {
    "statement_timeout": "150ms",
    "idle_in_transaction_session_timeout": "80ms",
    "lock_timeout": "60ms",
    "deadlock_timeout": "10ms",
}
STRUCK: Mapping[str, str] = {
    "57014": "statement_timeout",
    "25P03": "idle_in_transaction_session_timeout",
    "55P03": "lock_timeout",
    "40P01": "deadlock",
}
# What the server writes to its log for each error: its state, and the database's name.
LOG_SETTINGS = {"log_line_prefix": "<%e %d> "}
_PATIENCE = 60.0
_IDLE_SECONDS = 0.12
_SLOW_SECONDS = 0.2
_ACCOUNTS = """
CREATE TABLE IF NOT EXISTS proof_accounts (id int PRIMARY KEY, changes int NOT NULL);
INSERT INTO proof_accounts SELECT n, 0 FROM generate_series(1, 4) AS n ON CONFLICT DO NOTHING
"""
_LOCK_ONE = """
BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT id FROM workflow_executions WHERE status = 'running' LIMIT 1 FOR UPDATE SKIP LOCKED
"""


class CrosswiseLedger(Ledger):
    """Has its functions change two accounts in any order, and dawdle now and then."""

    def __init__(self, url: str) -> None:
        """Make the accounts too."""
        super().__init__(url)
        self._dawdles = True
        self.query(_ACCOUNTS)

    def calm(self) -> None:
        """Have no function dawdle any more: what is open is to be settled."""
        self._dawdles = False

    def inside(self, key: str) -> Write:
        """Write as the others do, and change two accounts in the same transaction."""
        effect = super().inside(key)

        def write(session: Session) -> dict[str, Any]:
            for account in random.sample(range(1, 5), 2):
                session.execute(_CHANGE, {"id": account})
                if self._dawdles:
                    _dawdle(session)
            done: dict[str, Any] = effect(session)
            return done

        return write

    def problems(self) -> list[str]:
        """Compare the changes of accounts that were committed with the effects: two for each."""
        changes = int(self.query("SELECT sum(changes) FROM proof_accounts")[0]["sum"])
        effects = int(self.query("SELECT count(*) FROM proof_writes")[0]["count"])
        if changes != 2 * effects:
            return [f"{effects} transactions changed accounts {changes} times"]
        return []


def _dawdle(session: Session) -> None:
    """Let one time-out or another strike, now and then."""
    chance = random.random()  # noqa: S311 # needs no secrecy
    if chance < 0.05:  # noqa: PLR2004 # one in twenty
        time.sleep(_IDLE_SECONDS)
    elif chance < 0.1:  # noqa: PLR2004 # as above
        session.execute(_DAWDLE, {"seconds": _SLOW_SECONDS})


_CHANGE = text("UPDATE proof_accounts SET changes = changes + 1 WHERE id = :id")
_DAWDLE = text("SELECT pg_sleep(:seconds)")


def timeouts(url: str, seed: int, until: Callable[[], bool]) -> Outage:
    """Let every time-out strike until that is enough."""
    database = str(make_url(url).database)
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        for name, value in _TIMEOUTS.items():
            connection.cursor().execute(f"ALTER DATABASE {database} SET {name} = '{value}'")
    return drill(
        "time-outs and deadlocks",
        url,
        [partial(_lock_rows, url, until)],
        seed,
        keeper=CrosswiseLedger,
    )


def _lock_rows(url: str, until: Callable[[], bool]) -> float:
    """Hold a running execution's row for longer than anybody waits, again and again."""
    deadline = time.monotonic() + _PATIENCE
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        while not until() and time.monotonic() < deadline:
            with connection.cursor() as cursor:
                cursor.execute(_LOCK_ONE)
                time.sleep(_SLOW_SECONDS)
                cursor.execute("ROLLBACK")
    return time.monotonic()


def struck(server: EmbeddedPostgres, url: str) -> Counter[str]:
    """Count in the server's log what it has struck in one database."""
    marked = re.compile(rf"^<(\w+) {make_url(url).database}> (?:ERROR|FATAL)", re.MULTILINE)
    states = Counter(marked.findall(server.log.read_text(errors="replace")))
    return Counter({name: states[state] for state, name in STRUCK.items()})

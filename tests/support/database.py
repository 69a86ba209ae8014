"""The test's own view of the database: plain SQL, past the tracker."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import psycopg2
import psycopg2.extras

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID


class Database:
    """Runs statements on a connection of the test's own, in autocommit."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, statement: str, *values: Any) -> None:
        """Run one statement."""
        with self._cursor() as cursor:
            cursor.execute(statement, values or None)

    def all(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Return all rows."""
        with self._cursor() as cursor:
            cursor.execute(query, values or None)
            return [dict(row) for row in cursor.fetchall()]

    def value(self, query: str, *values: Any) -> Any:
        """Return the only value."""
        (row,) = self.all(query, *values)
        (value,) = row.values()
        return value

    def row(self, key: str) -> dict[str, Any]:
        """Return the row of one execution."""
        (row,) = self.all("SELECT * FROM workflow_executions WHERE id = %s", key)
        return row

    def attempts(self, key: str) -> list[dict[str, Any]]:
        """Return the history of one execution."""
        query = "SELECT * FROM workflow_execution_attempts WHERE execution_id = %s ORDER BY attempt"
        return self.all(query, key)

    def adopt(self, key: str, user_id: UUID, status: str, **columns: Any) -> None:
        """Insert a row as it was written before the tracker came: no claim columns."""
        values = {"id": key, "workflow_id": "w", "user_id": str(user_id), "status": status}
        values |= {
            name: json.dumps(value) if name in ("result", "parameters") else value
            for name, value in columns.items()
        }
        names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        statement = f"INSERT INTO workflow_executions ({names}) VALUES ({marks})"
        self.run(statement, *values.values())

    @contextlib.contextmanager
    def locked(self, query: str, *values: Any) -> Iterator[None]:
        """Hold what the statement locks until the end of the block, as a host's transaction may."""
        with contextlib.closing(psycopg2.connect(self.url)) as connection:
            with connection.cursor() as cursor:
                cursor.execute(query, values or None)
            yield
            connection.rollback()  # closing alone lets go some time later

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        with contextlib.closing(psycopg2.connect(self.url)) as connection:
            connection.autocommit = True
            with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                yield cursor


def eventually(condition: Callable[[], Any], seconds: float = 15) -> Any:
    """Return the condition's first truthy value, or fail."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("it did not become true in time")

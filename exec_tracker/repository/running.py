"""Run statements on one connection, and read the rows that they answer with."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from exec_tracker import statements as sql
from exec_tracker.snapshots import StoredRow
from exec_tracker.sqlstates import translate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from exec_tracker.statements import Rendered, Statement

# How long a statement waits for another transaction that holds the same key.
LOCK_TIMEOUT = timedelta(seconds=2)


class StatementRunner:
    """One connection, for one dialect and schema; raises the errors of `sqlstates.translate`."""

    def __init__(
        self,
        connection: DBAPIConnection,
        dialect: Dialect,
        *,
        schema: str | None = None,
        lock_timeout: timedelta = LOCK_TIMEOUT,
    ) -> None:
        """Borrow `connection`, which stays its owner's."""
        self._connection = connection
        self._dialect = dialect
        self._schema = schema
        self._lock_timeout = f"{max(int(lock_timeout.total_seconds() * 1000), 1)}ms"
        self._rendered: dict[Statement, Rendered] = {}

    def fetch(self, statement: Statement, **parameters: Any) -> list[Sequence[Any]]:
        """Run one statement and return its rows, translating the driver's errors."""
        rendered = self._rendered.get(statement)
        if rendered is None:
            rendered = sql.render(statement, self._dialect, self._schema)
            self._rendered[statement] = rendered
        parameters["lock_timeout"] = self._lock_timeout
        cursor = None
        try:
            cursor = self._connection.cursor()
            cursor.execute(rendered.sql, rendered.arguments(parameters))
            return list(cursor.fetchall())
        except (self._dialect.loaded_dbapi.Error, OSError) as exc:
            # Also the driver's own TimeoutError: asyncpg lets it through (`command_timeout`).
            raise translate(exc, self._schema) from exc
        finally:
            if cursor is not None:
                cursor.close()

    def _row(self, statement: Statement, **parameters: Any) -> StoredRow | None:
        for (row,) in self.fetch(statement, **parameters):
            # A function of the schema answers with NULL where there is no row.
            return None if row is None else StoredRow(row)
        return None

    def _by_id(self, statement: Statement, **parameters: Any) -> dict[str, StoredRow]:
        found = [StoredRow(row) for (row,) in self.fetch(statement, **parameters)]
        return {stored.id: stored for stored in found}

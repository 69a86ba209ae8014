"""Time that passes when a test says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sqlalchemy import DateTime, Table, create_engine, func, inspect, select, text, update
from sqlalchemy.pool import NullPool

from exec_tracker.models import Base
from exec_tracker.settings import normalise_url

if TYPE_CHECKING:
    from datetime import datetime, timedelta

__all__ = ["DatabaseClock"]


class DatabaseClock:
    """Lets time pass in one database, by moving everything stored there into the past.

    To the tracker that is the same as a clock put forward: leases run out, delays pass, rows age.
    Durations measured inside a process, like a wait's timeout, are not affected.
    """

    def __init__(self, url: str) -> None:
        self._engine = create_engine(normalise_url(url), poolclass=NullPool)

    def now(self) -> datetime:
        """Return the database's time."""
        with self._engine.connect() as connection:
            return cast("datetime", connection.scalar(select(func.clock_timestamp())))

    def advance(self, duration: timedelta) -> None:
        """Let the duration pass. Waits for transactions that hold rows locked.

        The server's account must be allowed to switch triggers off: they would refuse to let the
        times of a completed execution be changed.
        """
        with self._engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            there = set(inspect(connection).get_table_names())
            for table in Base.metadata.sorted_tables:
                if table.name in there:
                    times = _times(table)
                    connection.execute(
                        update(table).values({name: table.c[name] - duration for name in times})
                    )


def _times(table: Table) -> list[str]:
    return [column.name for column in table.c if isinstance(column.type, DateTime)]

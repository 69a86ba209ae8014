"""Effects that can be counted, and the assertion that work ran exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, DateTime, MetaData, Table, Text, create_engine, func, select
from sqlalchemy.pool import NullPool

from exec_tracker.models import WorkflowExecution
from exec_tracker.settings import normalise_url

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Effects", "ExecutedOnce"]

_EFFECTS: Final = Table(
    "exec_tracker_test_effects",
    MetaData(),
    Column("name", Text, nullable=False),
    Column("happened_at", DateTime(timezone=True), server_default=func.clock_timestamp()),
)


class Effects:
    """Executors whose effect is a committed row, so that other processes' effects count too.

    `effects("charge")` returns an executor; `effects.count("charge")` says how often it happened.
    """

    def __init__(self, url: str) -> None:
        self._engine = create_engine(normalise_url(url), poolclass=NullPool)
        _EFFECTS.create(self._engine, checkfirst=True)

    def __call__(self, name: str) -> Callable[[], dict[str, int]]:
        """Return an executor that makes the effect happen, in a transaction of its own."""

        def executor() -> dict[str, int]:
            with self._engine.begin() as connection:
                connection.execute(_EFFECTS.insert().values(name=name))
            return {name: self.count(name)}

        return executor

    def count(self, name: str) -> int:
        """Return how often the effect has happened."""
        query = select(func.count()).select_from(_EFFECTS).where(_EFFECTS.c.name == name)
        with self._engine.connect() as connection:
            return connection.scalar(query) or 0


class ExecutedOnce:
    """Asserts that the execution under a key has completed, in its first attempt."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(normalise_url(url), poolclass=NullPool)

    def __call__(self, execution_id: str) -> None:
        """Raise AssertionError where there is no such execution or it did anything else."""
        query = select(WorkflowExecution.status, WorkflowExecution.attempt)
        with self._engine.connect() as connection:
            row = connection.execute(query.where(WorkflowExecution.id == execution_id)).first()
        if row is None:
            raise AssertionError(f"there is no execution {execution_id!r}")
        if tuple(row) != ("completed", 1):
            raise AssertionError(
                f"the execution {execution_id!r} is {row.status} in attempt {row.attempt}, "
                "and not completed in its first"
            )

"""Who takes part: each contender in a module that is imported only in that contender's process."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmarks.contenders.base import AsyncContender, Contender


@dataclass(frozen=True, slots=True)
class Entry:
    """A contender by name: where its class is, what it is called, what it has to have installed.

    Without requirements it runs in the environment of this checkout and on its tables; with them,
    in an environment and on a database of its own.
    """

    name: str
    place: str
    title: str
    requirements: tuple[str, ...] = ()

    @property
    def is_peer(self) -> bool:
        """Whether it is another library."""
        return bool(self.requirements)

    def make(self) -> Contender | AsyncContender:
        """Import and make the contender; only in its own process."""
        module, _, name = self.place.partition(":")
        made: Contender | AsyncContender = getattr(
            importlib.import_module(f"benchmarks.contenders.{module}"), name
        )()
        return made


# A peer's version is pinned, since the few lines that drive it were written against it.
_ENTRIES: Final = (
    Entry("tracker", "trackers:OwnPool", "exec_tracker, given a URL"),
    Entry("tracker-engine", "trackers:HostPool", "exec_tracker, given an Engine"),
    Entry(
        "tracker-parameters", "trackers:WithParameters", "exec_tracker, with parameters, a lambda"
    ),
    Entry("tracker-many", "trackers:Many", "exec_tracker, execute_many"),
    Entry("tracker-leases", "trackers:Leases", "exec_tracker, holding leases"),
    Entry("raw", "raw:InsertThenSelect", "raw psycopg2"),
    Entry("raw-cte", "raw:InOneStatement", "raw psycopg2, claim in a CTE"),
    Entry("raw-function", "raw:InAFunction", "raw psycopg2, claim in a function"),
    Entry("sqlalchemy", "sqlalchemy_core:Autocommitted", "SQLAlchemy Core, autocommit"),
    Entry("orm", "naive_orm:UnitOfWork", "naive ORM unit of work"),
    Entry("async-tracker", "asynchronous:OwnPool", "exec_tracker on asyncpg, given a URL"),
    Entry("async-engine", "asynchronous:HostPool", "exec_tracker on asyncpg, given an AsyncEngine"),
    Entry("asyncpg", "asynchronous:Raw", "raw asyncpg"),
    Entry("asyncpg-plain", "asynchronous:RawUncached", "raw asyncpg, no statement cache"),
    Entry("agent-once", "agent_once:Each", "agent-once", ("agent-once[postgres]==0.1.0",)),
    Entry("exactly-once", "exactly_once:Each", "exactly-once", ("exactly-once[postgres]==0.2.1",)),
    Entry("idemkit", "idemkit:Decorated", "idemkit on asyncpg", ("idemkit[postgres]==1.0.2",)),
    Entry("dbos", "dbos:WithoutStep", "DBOS, workflow without a step", ("dbos==3.4.0",)),
    Entry("dbos-step", "dbos:WithOneStep", "DBOS, workflow with one step", ("dbos==3.4.0",)),
    Entry("absurd", "absurd:Inline", "absurd, inline", ("absurd-sdk==0.5.1", "absurdctl==0.5.1")),
)

ENTRIES: Final = {entry.name: entry for entry in _ENTRIES}

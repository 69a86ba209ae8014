"""Everything that strikes real calls over real drivers: the wire, outages, failover, the soak."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from exec_tracker import migrations
from exec_tracker.embedded import EmbeddedPostgres
from proof.clients import DRIVERS
from proof.failover.drills import to_a_synchronous_standby, to_an_asynchronous_standby
from proof.outages.disk import NoFileSystemError, disk_full
from proof.outages.restarts import RESTARTS, no_connections_left, restarts
from proof.outages.timeouts import LOG_SETTINGS, struck, timeouts
from proof.soak.rounds import soak
from proof.wire.everywhere import strike_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proof.failover.drills import Loss
    from proof.outages.drill import Outage
    from proof.soak.rounds import Soak
    from proof.wire.everywhere import Struck

_SETTINGS = {"fsync": "off", "max_connections": "60", **LOG_SETTINGS}
# How often each outage strikes, and for how long the standby hears, and does not hear.
_TIMES = 3
_SECONDS = 2.0


@dataclass(slots=True)
class Faults:
    """What was struck, and what came of it."""

    seed: int
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    minutes: float = 0.0
    seconds: float = 0.0
    wire: list[Struck] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    time_outs: Counter[str] = field(default_factory=Counter)
    losses: list[Loss] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    soak: Soak | None = None

    @property
    def problems(self) -> list[str]:
        """Every broken promise."""
        found = [problem for one in self.wire for problem in one.problems]
        found += [f"{one.name}: {problem}" for one in self.outages for problem in one.problems]
        return found + (self.soak.problems if self.soak else [])

    @property
    def injected(self) -> int:
        """How many faults were injected, all in all."""
        on_the_wire = sum(one.struck.total() for one in self.wire)
        outages = sum(one.strikes for one in self.outages)
        soaked = self.soak.faults.total() if self.soak else 0
        return on_the_wire + outages + self.time_outs.total() + soaked


def strike_the_wire(faults: Faults, seconds: float) -> None:
    """Strike every message of every call, as far as the time suffices."""
    with _server() as new_database:
        faults.wire = strike_all([new_database() for _ in DRIVERS], faults.seed, seconds)


def strike_the_server(faults: Faults) -> None:
    """Restart, crash, fill and crowd a server under load, and fail over to another."""
    _restart_it(faults)
    try:
        faults.outages += disk_full(faults.seed, _TIMES)
    except NoFileSystemError as problem:
        faults.skipped.append(f"a disk that fills up: {problem}")
    faults.outages.append(to_a_synchronous_standby(faults.seed))
    faults.losses = to_an_asynchronous_standby(faults.seed, _SECONDS)
    for outage in faults.outages:
        print(f"outage: {outage.name}, {outage.audit.executions} executions", flush=True)


def _restart_it(faults: Faults) -> None:
    with EmbeddedPostgres(settings=_SETTINGS) as server:
        migrations.upgrade(server.create_database("migrated"))
        for how in RESTARTS:
            url = server.create_database(how, "migrated")
            faults.outages.append(restarts(server, url, how, faults.seed, _TIMES))
        url = server.create_database("crowded", "migrated")
        faults.outages.append(no_connections_left(url, faults.seed, _TIMES))
        url = server.create_database("hasty", "migrated")
        enough = time.monotonic() + 5 * _SECONDS

        def all_struck() -> bool:
            return time.monotonic() > enough and all(struck(server, url).values())

        faults.outages.append(timeouts(url, faults.seed, all_struck))
        faults.time_outs = struck(server, url)


def soak_it(faults: Faults, seconds: float) -> None:
    """Soak for the time that is left."""
    faults.soak = soak(faults.seed, seconds / 60)


@contextmanager
def _server() -> Iterator[Callable[[], str]]:
    """Start a server, and yield what makes a migrated database on it."""
    with EmbeddedPostgres(settings=_SETTINGS) as server:
        migrations.upgrade(server.create_database("migrated"))
        names = (f"wire_{number}" for number in range(len(DRIVERS)))
        yield lambda: server.create_database(next(names), "migrated")

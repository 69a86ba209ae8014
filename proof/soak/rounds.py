"""Rounds of a soak: each on a database of its own, struck for some time, and audited as a whole."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2

from exec_tracker import migrations
from exec_tracker.embedded import EmbeddedPostgres
from proof.auditing import Audit
from proof.ledger import Ledger
from proof.soak.crew import Crew, Orders
from proof.soak.doing import WRITES
from proof.soak.settling import Settlement
from proof.soak.storm import Storm
from proof.soak.striking import Striking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "100"}
PLACES = 4
ROUND_SECONDS = 90.0
# How often each kind strikes, in a minute; and the likelihood that a message on the wire is struck.
PER_MINUTE = {
    "session terminated": 60.0,
    "statement cancelled": 30.0,
    "worker killed": 20.0,
    "worker stopped for a while": 8.0,
    "rows locked by somebody else": 10.0,
    "server restarted or killed": 2.0,
}
STORM = 1 / 1000


@dataclass(frozen=True, slots=True)
class Severity:
    """How long a round is, how many processes work in it, and how often it is struck."""

    seconds: float = ROUND_SECONDS
    places: int = PLACES
    times: float = 1.0
    storm: float = STORM


@dataclass(slots=True)
class Soak:
    """What all rounds together have done and found."""

    seed: int
    rounds: int = 0
    seconds: float = 0.0
    settled: int = 0
    audit: Audit = field(default_factory=Audit)
    faults: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def problems(self) -> list[str]:
        """Every broken promise."""
        return self.audit.problems


def soak(
    seed: int,
    minutes: float,
    severity: Severity | None = None,
    enough: Callable[[Soak], bool] | None = None,
) -> Soak:
    """Run rounds until the time is over, that is `enough`, or one of them has found something."""
    severity = severity or Severity()
    done = Soak(seed)
    began = time.monotonic()
    with _server() as server:
        while not done.problems and (left := began + minutes * 60 - time.monotonic()) > 0:
            done.rounds += 1
            seconds = min(severity.seconds, max(left, 1.0))
            _Round(server, f"{seed}.{done.rounds}", severity).run(done, seconds)
            done.seconds = time.monotonic() - began
            _tell(done)
            if enough is not None and enough(done):
                break
    return done


@contextmanager
def _server() -> Iterator[EmbeddedPostgres]:
    """Start a server, with a migrated database to copy."""
    with EmbeddedPostgres(settings=_SETTINGS) as server:
        migrations.upgrade(server.create_database("migrated"))
        yield server


class _Round:
    """One round, on a database of its own, which is gone afterwards where nothing was found."""

    def __init__(self, server: EmbeddedPostgres, seed: str, severity: Severity) -> None:
        self._server, self._seed, self._severity = server, seed, severity
        self._chance = random.Random(seed)  # noqa: S311 # an order, not a secret
        self._ledger = Ledger(server.create_database(f"soak {seed}", "migrated"))
        self._ledger.query(WRITES)
        self._folder = Path(tempfile.mkdtemp(prefix=f"exec_tracker-soak-{seed}-"))

    def run(self, done: Soak, seconds: float) -> None:
        """Strike for some time, let everybody go, and judge; add it all to what was done."""
        problems = self._strike(done, seconds)
        settlement = Settlement(self._ledger, self._ledger.user_id, self._chance)
        found, read = settlement.settle(self._folder)
        self._ledger.close()
        for problem in (*problems, *read.broken):
            found.note(f"round {self._seed}: {problem}")
        done.audit.add(found)
        done.errors += read.errors
        done.faults["call cancelled"] += read.errors["TimeoutError"]
        done.settled += settlement.settled
        if not found.problems:
            self._remove()

    def _strike(self, done: Soak, seconds: float) -> list[str]:
        until = time.monotonic() + seconds
        url = self._ledger.url
        with Storm(url, self._seed, self._severity.storm) as storm:
            orders = Orders((url, storm.url), self._ledger.user_id, self._folder, self._seed)
            crew = Crew(orders, self._severity.places, self._chance)
            rates = {kind: rate * self._severity.times for kind, rate in PER_MINUTE.items()}
            striking = Striking(self._server, url, crew, self._chance, rates)
            striking.until(until)
            problems = crew.end()
            done.faults += striking.counted
            done.faults += Counter({f"on the wire: {k}": n for k, n in storm.strikes().items()})
        return problems

    def _remove(self) -> None:
        shutil.rmtree(self._folder)
        with closing(psycopg2.connect(self._server.url)) as connection:
            connection.autocommit = True
            connection.cursor().execute(f'DROP DATABASE "soak {self._seed}" WITH (FORCE)')


def _tell(done: Soak) -> None:
    found = done.audit
    print(
        f"soak, seed {done.seed}, round {done.rounds}: {found.executions:,} executions, "
        f"{done.faults.total():,} faults, {found.duplicates} duplicates, "
        f"{found.losses} losses, {done.seconds:.0f} s",
        flush=True,
    )

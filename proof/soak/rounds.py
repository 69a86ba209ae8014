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
from sqlalchemy.engine import make_url

from exec_tracker import migrations
from exec_tracker.embedded import EmbeddedPostgres
from proof.auditing import Audit
from proof.ledger import Ledger
from proof.soak.crew import Crew
from proof.soak.doing import WRITES
from proof.soak.settling import Settlement
from proof.soak.storm import Storm
from proof.soak.striking import Striking

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "100"}
PLACES = 6
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


@dataclass(frozen=True, slots=True)
class Severity:
    """How long a round is, how many processes work in it, and how often it is struck."""

    seconds: float = ROUND_SECONDS
    places: int = PLACES
    times: float = 1.0
    storm: float = STORM


@contextmanager
def soaking_server() -> Iterator[EmbeddedPostgres]:
    """Start a server for soaks, with a migrated database to copy."""
    with EmbeddedPostgres(settings=_SETTINGS) as server:
        migrations.upgrade(server.create_database("migrated"))
        yield server


def soak(seed: int, minutes: float, severity: Severity | None = None) -> Soak:
    """Run rounds until the time is over, or until one has found something."""
    severity = severity or Severity()
    done = Soak(seed)
    deadline = time.monotonic() + minutes * 60
    with soaking_server() as server:
        while not done.problems and (left := deadline - time.monotonic()) > 0:
            seconds = min(severity.seconds, max(left, 1.0))
            run_round(server, done, severity, seconds)
            _tell(done)
    return done


def run_round(server: EmbeddedPostgres, done: Soak, severity: Severity, seconds: float) -> None:
    """Run one round, and add what it did and found."""
    done.rounds += 1
    seed = f"{done.seed}.{done.rounds}"
    began = time.monotonic()
    url = server.create_database(f"soak_{done.rounds}", "migrated")
    ledger = Ledger(url)
    ledger.query(WRITES)
    folder = Path(tempfile.mkdtemp(prefix=f"exec_tracker-soak-{seed}-"))
    chance = random.Random(seed)  # noqa: S311 # an order, not a secret
    with Storm(url, seed, severity.storm) as storm:
        crew = Crew(
            (url, storm.url),
            ledger.user_id,
            folder,
            places=severity.places,
            chance=chance,
            seed=seed,
        )
        rates = {kind: rate * severity.times for kind, rate in PER_MINUTE.items()}
        striking = Striking(server, url, crew, chance, rates)
        striking.until(began + seconds)
        problems = crew.end()
        done.faults += striking.counted
        done.faults += Counter({f"on the wire: {k}": n for k, n in storm.strikes().items()})
    settlement = Settlement(ledger, ledger.user_id, chance)
    found, read = settlement.settle(folder)
    for problem in (*problems, *read.broken):
        found.note(f"round {seed}: {problem}")
    done.audit.add(found)
    done.errors += read.errors
    done.settled += settlement.settled
    done.seconds += time.monotonic() - began
    ledger.close()
    if not found.problems:
        shutil.rmtree(folder)  # else it stays, to be read
        _drop(server, str(make_url(url).database))


def _drop(server: EmbeddedPostgres, name: str) -> None:
    with closing(psycopg2.connect(server.url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _tell(done: Soak) -> None:
    found = done.audit
    print(
        f"soak, seed {done.seed}, round {done.rounds}: {found.executions:,} executions, "
        f"{sum(done.faults.values()):,} faults, {found.duplicates} duplicates, "
        f"{found.losses} losses, {done.seconds:.0f} s",
        flush=True,
    )

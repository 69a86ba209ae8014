"""Run the proof on a server of its own, in several processes, for a chosen time."""

from __future__ import annotations

import multiprocessing
import platform
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Empty
from time import monotonic
from typing import TYPE_CHECKING

import psycopg2
import sqlalchemy

import exec_tracker
from exec_tracker import migrations
from exec_tracker.testing.databases import provision
from exec_tracker.testing.throwaway import ThrowawayDatabases
from proof.crashes import CrashPoint, crash_points
from proof.explorer import Explorer, Nondeterminism, Tally
from proof.faults import Faults, soak_it, strike_the_server, strike_the_wire
from proof.killing import Killed, kill_everywhere
from proof.matrix import Case, cases, cases_of_three
from proof.modelling import Modelled, run_for
from proof.mutating import Verdict, judge_mutation
from proof.mutations import MUTATIONS
from proof.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from queue import Queue


_DISTURBANCES = 3

Search = tuple[Case, bool]
# Of the time for orders, what random programs take; of the time for faults, what the wire takes at
# most: the soak has what is left.
_PROGRAMS, _WIRE = 0.1, 0.4


@dataclass
class Findings:
    """Everything that one run of the orders has tried and found."""

    began_at: datetime
    minutes: float
    jobs: int
    seed: int
    server: str = ""
    verdicts: list[Verdict] = field(default_factory=list)
    crashes: list[CrashPoint] = field(default_factory=list)
    killed: list[Killed] = field(default_factory=list)
    modelled: Modelled = field(default_factory=Modelled)
    tallies: dict[Case, Tally] = field(default_factory=dict)
    reduced: dict[Case, Tally] = field(default_factory=dict)
    skipped: list[Search] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def versions(self) -> str:
        """What it ran on."""
        return f"{self.server}, {versions()}"


def versions() -> str:
    """Say what every part runs on."""
    return (
        f"exec_tracker {exec_tracker.__version__}, Python {platform.python_version()}, "
        f"SQLAlchemy {sqlalchemy.__version__}, psycopg2 {psycopg2.__version__.split()[0]}"
    )


@contextmanager
def databases(count: int) -> Iterator[list[str]]:
    """Yield the URLs of migrated databases, one per process."""
    with provision() as server:
        made = ThrowawayDatabases(server)
        urls = []
        for number in range(count):
            name = f"proof_{number}"
            url = server.database_url(name)
            administration(server.url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            administration(server.url, f"CREATE DATABASE {name}")
            migrations.upgrade(url)
            urls.append(url)
        made.close()
        yield urls


def administration(url: str, sql: str) -> str:
    """Run one statement outside a transaction and return its first value."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return str(cursor.fetchone()[0]) if cursor.description else ""
    finally:
        connection.close()


def try_orders(minutes: float, jobs: int, seed: int) -> Findings:
    """Try every order of turns; what the time does not suffice for is listed as skipped."""
    found = Findings(datetime.now(UTC), minutes, jobs, seed)
    began, seconds = monotonic(), minutes * 60
    with databases(jobs + 1) as (spare, *urls):
        found.server = administration(spare, "SELECT split_part(version(), ' on ', 1)")
        _fixed_part(found, urls[0])
        found.modelled = run_for(spare, seconds * _PROGRAMS, seed)
        _search(found, urls, began + seconds)
    found.seconds = monotonic() - began
    return found


def try_faults(minutes: float, seed: int) -> Faults:
    """Strike calls on the wire, servers under load, and everything at once for what is left."""
    faults = Faults(seed, datetime.now(UTC), minutes)
    began, seconds = monotonic(), minutes * 60
    strike_the_wire(faults, seconds * _WIRE)
    strike_the_server(faults)
    soak_it(faults, began + seconds - monotonic())
    faults.seconds = monotonic() - began
    return faults


def _fixed_part(found: Findings, url: str) -> None:
    """Run what is always run as a whole: mutations, crash points, killed processes."""
    with World(url).open() as world:
        for mutation in MUTATIONS:
            found.verdicts.append(judge_mutation(world, mutation))
            print(f"mutation: {found.verdicts[-1].mutation}", flush=True)
        found.crashes = list(crash_points(world))
        print(f"crash points: {len(found.crashes)}", flush=True)
    found.killed = list(kill_everywhere(url))
    print(f"processes killed: {len(found.killed)}", flush=True)


def _search(found: Findings, urls: list[str], deadline: float) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(len(urls), mp_context=context) as pool:
        queue = manager.Queue()
        for search in searches():
            queue.put(search)
        left = max(deadline - monotonic(), 1.0)
        workers = [pool.submit(explore_from, queue, url, left) for url in urls]
        for worker in workers:
            for (case, reducing), tally in worker.result().items():
                (found.reduced if reducing else found.tallies)[case] = tally
    done = {(case, False) for case in found.tallies} | {(case, True) for case in found.reduced}
    found.skipped = [search for search in searches() if search not in done]


def searches() -> Iterator[Search]:
    """Yield every case, and whether orders that make no difference are left out.

    Three contenders are searched both ways, so that the counts can be compared; where a fourth
    comes to them, the reduced search alone is.
    """
    yield from ((case, False) for case in cases())
    for case in cases_of_three():
        if not case.fourth:
            yield (case, False)
        yield (case, True)


def explore_from(queue: Queue[Search], url: str, seconds: float) -> dict[Search, Tally]:
    """Take searches from the queue until it is empty or the time is over; runs in a process."""
    deadline = monotonic() + seconds
    tallies: dict[Search, Tally] = {}
    with World(url).open() as world:
        while monotonic() < deadline:
            try:
                search = queue.get_nowait()
            except Empty:
                break
            tallies[search] = tally = _explore(world, search, deadline)
            how = ", reduced" if search[1] else ""
            case = search[0]
            print(f"{case.mode}, {case.further}, {tally.scenario}{how}: {tally.schedules}")
    return tallies


def _explore(world: World, search: Search, deadline: float) -> Tally:
    """Search one scenario; begin again where somebody else's lock has disturbed it."""
    case, reducing = search
    for _ in range(_DISTURBANCES):
        seconds = deadline - monotonic()
        explorer = Explorer(world, merging=True, reducing=reducing, seconds=seconds)
        try:
            return explorer.explore(case.scenario())
        except Nondeterminism as disturbed:
            print(f"disturbed: {disturbed}", flush=True)
    return Tally(case.scenario().name, is_complete=False)

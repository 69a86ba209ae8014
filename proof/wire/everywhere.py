"""Strike everything on the wire: each driver in a process of its own, in a random order."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proof.clients import DRIVERS
from proof.wire.calls import CALLS
from proof.wire.cuts import Wire, places
from proof.wire.line import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from proof.wire.calls import Call
    from proof.wire.cuts import Cut
    from proof.wire.line import Kind


@dataclass(slots=True)
class Struck:
    """What came of striking all calls of one driver: `possible` counts the ways, by call."""

    driver: str
    possible: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    heard: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    problems: list[str] = field(default_factory=list)

    def add(self, cut: Cut) -> None:
        """Count one cut; one whose message never came is none."""
        if not cut.message:
            return
        self.struck[cut.call] += 1
        self.kinds[cut.kind] += 1
        self.repeated[cut.kind] += bool(cut.heard)
        self.heard.update(cut.heard)
        self.slowest = max(self.slowest, cut.seconds)
        if cut.broken:
            self.problems.append(f"{cut}")


def strike_all(urls: Sequence[str], seed: int, seconds: float) -> list[Struck]:
    """Strike until all is struck or the time is over; one URL per driver."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(DRIVERS), mp_context=context) as pool:
        running = [
            pool.submit(_strike, driver, url, seed, seconds)
            for driver, url in zip(DRIVERS, urls, strict=True)
        ]
        return [one.result() for one in running]


def _strike(driver: str, url: str, seed: int, seconds: float) -> Struck:
    deadline = time.monotonic() + seconds
    found = Struck(driver)
    wire = Wire(driver, url)
    try:
        ways = list(_ways(wire))
        found.possible.update(call.name for call, _, _ in ways)
        # In any order, so that a run that ends early has tried a fair part of everything.
        random.Random(f"{seed} {driver}").shuffle(ways)  # noqa: S311 # an order, not a secret
        for call, kind, place in ways:
            if time.monotonic() > deadline:
                break
            found.add(wire.strike(call, kind, place))
    finally:
        wire.close()
    print(f"on the wire, {driver}: {found.struck.total()} of {found.possible.total()}", flush=True)
    return found


def _ways(wire: Wire) -> Iterator[tuple[Call, Kind, int]]:
    for call in CALLS:
        messages = wire.messages(call)
        for kind in KINDS:
            for place in places(messages, kind):
                yield call, kind, place

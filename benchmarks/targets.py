"""What was to be reached, each line beside what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks.figures import Figure, figure, ratio
from benchmarks.growth_tables import slowdowns
from benchmarks.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.results import Results

AIM: Final = 0.80


@dataclass(frozen=True, slots=True)
class Target:
    """One line: what is compared, the bound, which side of it is good, and what was measured."""

    what: str
    bound: float
    found: Figure | None
    at_most: bool = False
    unit: str = "×"

    @property
    def verdict(self) -> str:
        """Whether it was hit."""
        if self.found is None:
            return "not measured"
        good = self.found.middle <= self.bound if self.at_most else self.found.middle >= self.bound
        return "hit" if good else "**missed**"

    def row(self) -> tuple[str, ...]:
        """Return the line for the table."""
        sign = "≤" if self.at_most else "≥"
        bound = f"{sign} {self.bound:g} {self.unit}".strip()
        if self.found is None:
            return self.what, bound, "", self.verdict
        low, high = (_number(one) for one in (self.found.low, self.found.high))
        middle = _number(self.found.middle)
        spread = "" if low == high else f" ({low}–{high})"
        return self.what, bound, f"{middle}{spread}", self.verdict


def table(results: Results) -> Table:
    """Return all lines."""
    rows = tuple(target.row() for target in targets(results))
    heads = ("what", "wanted", "measured: median (quartiles)", "")
    return Table("Targets", heads, rows)


def targets(results: Results) -> Iterator[Target]:
    """Yield every line, measured or not."""
    for part in (_rates, _peers, _counts, _async, _batch, _waiters, _growth, _upkeep):
        yield from part(results)


def _rates(results: Results) -> Iterator[Target]:
    bounds = {("fresh", 1): 0.70, ("fresh", 8): 0.65, ("replay", 1): 0.90, ("replay", 8): 0.75}
    for (kind, threads), bound in bounds.items():
        what = f"{kind}, {_threads(threads)}, × raw psycopg2 (aim: {AIM:.2f})"
        yield Target(what, bound, _against(results, kind, threads, "tracker", "raw"))


def _peers(results: Results) -> Iterator[Target]:
    for kind in ("fresh", "replay"):
        for threads in (1, 8):
            what = f"{kind}, {_threads(threads)}, × DBOS without a step"
            yield Target(what, 5.0, _against(results, kind, threads, "tracker", "dbos"))
    for threads in (1, 8):
        best = _best_peer(results, threads)
        what = f"replay, {_threads(threads)}, × the best peer"
        yield Target(what, 2.0, _against(results, "replay", threads, "tracker", best))
    for peer in ("agent-once", "idemkit"):
        for threads in (1, 8):
            what = f"fresh, {_threads(threads)}, × {peer}"
            yield Target(what, 1.0, _against(results, "fresh", threads, "tracker", peer))


def _best_peer(results: Results, threads: int) -> str:
    from benchmarks.contenders import ENTRIES  # noqa: PLC0415 # only names

    found = results.found("replay")
    measured = found["rates"] if found else {}
    peers = [name for name in measured if name in ENTRIES and ENTRIES[name].is_peer]
    cell = f"replay x{threads}"
    return max(peers, key=lambda name: figure(measured[name][cell]).middle, default="")


def _against(results: Results, kind: str, threads: int, one: str, other: str) -> Figure | None:
    found = results.found(kind)
    return _ratio(found, f"{kind} x{threads}", one, other)


def _ratio(found: dict[str, Any] | None, cell: str, one: str, other: str) -> Figure | None:
    measured = found["rates"] if found else {}
    if one not in measured or other not in measured:
        return None
    return ratio(measured[one][cell], measured[other][cell])


def _counts(results: Results) -> Iterator[Target]:
    found = results.found("costs")
    counts = found["counts"]["tracker"] if found else None
    lines = [
        ("fresh", "statements", 2.0),
        ("fresh", "commits", 2.0),
        ("replay", "statements", 2.0),
        ("replay", "wal_bytes", 0.0),
        ("replay", "flushes", 0.0),
    ]
    for kind, what, bound in lines:
        name = f"{kind}: {what.replace('wal_bytes', 'bytes of WAL')}"
        measured = _exactly(round(counts[kind][what], 1)) if counts else None
        yield Target(name, bound, measured, at_most=True, unit="")


def _async(results: Results) -> Iterator[Target]:
    found = results.found("async")
    # Under the same rules: an engine of the host's has asyncpg's statement cache, as the floor has;
    # a tracker's own has none, so that it works behind a pooler.
    pairs = {
        "given an AsyncEngine, × raw asyncpg": ("async-engine", "asyncpg"),
        "given a URL, × raw asyncpg without its cache": ("async-tracker", "asyncpg-plain"),
    }
    for against, (one, other) in pairs.items():
        for kind in ("fresh", "replay"):
            for tasks in (1, 8):
                what = f"asyncio, {kind}, {tasks} task{'s' * (tasks > 1)}, {against}"
                yield Target(what, 0.60, _ratio(found, f"{kind} x{tasks}", one, other))
    blocked = None
    if found and "async-tracker" in found["stalls"]:
        windows = [one for kind in found["stalls"]["async-tracker"].values() for one in kind]
        blocked = _exactly(max(one["processor_ms"] for one in windows))
    what = "the event loop is blocked, at the longest (processor time)"
    yield Target(what, 5.0, blocked, at_most=True, unit="ms")


def _batch(results: Results) -> Iterator[Target]:
    found = results.found("batch")
    for kind, name in (("fresh", "fresh keys"), ("replay", "duplicates")):
        measured = _ratio(found, f"{kind} x1", "tracker-many", "tracker")
        yield Target(f"execute_many of 200 {name}, × one by one", 10.0, measured)


def _waiters(results: Results) -> Iterator[Target]:
    found = results.found("waiters")
    measured = found["seconds"].get("tracker") if found else None
    together = figure([one * 1e3 for one in measured]) if measured else None
    what = "32 threads on one fresh key, 20 ms of work"
    yield Target(what, 60.0, together, at_most=True, unit="ms")
    crowd = found["crowd"] if found else None
    polls = None
    if crowd:
        one, many = (crowd[size]["statements_per_second"] for size in ("1", "500"))
        polls = _exactly(many / max(one, 1.0))
    yield Target("statements of 500 waiters, × those of one", 2.0, polls, at_most=True)
    answered = _exactly(crowd["500"]["answered"]) if crowd else None
    yield Target("of 500 waiters on a pool of 5, answered", 500.0, answered, unit="")


def _growth(results: Results) -> Iterator[Target]:
    found = results.found("growth")
    figures = slowdowns(found["styles"]["time"], found["rows"]) if found else {}
    largest = f"{found['rows'][-1]:,}" if found else "20,000,000"
    for what in ("fresh", "replay", "recent", "by workflow", "purge of 100"):
        measured = figures[what][-1] if what in figures else None
        name = what if what in ("fresh", "replay", "purge of 100") else f"listing {what}"
        line = f"{name}, times slower at {largest} rows than at 10,000"
        yield Target(line, 1.3, measured, at_most=True)


def _upkeep(results: Results) -> Iterator[Target]:
    found = results.found("heartbeat")
    renewals = found["renewals"] if found else []
    largest = max(renewals, key=lambda one: one["leases"], default=None)
    leases = f"{largest['leases']:,}" if largest else "10,000"
    taken = _exactly(largest["ms"]) if largest else None
    what = f"renewal of {leases} leases, one statement"
    yield Target(what, 50.0, taken, at_most=True, unit="ms")
    memory = results.found("memory")
    grown = None
    if memory and "tracker" in memory["kib"]:
        kib = memory["kib"]["tracker"]
        grown = _exactly((kib[-1] - kib[1]) / 1024)
    executions = f"{memory['executions']:,}" if memory else "1,000,000"
    what = f"memory after {executions} executions, more than after a tenth"
    yield Target(what, 1.0, grown, at_most=True, unit="MiB")


def _exactly(number: float) -> Figure:
    return Figure(number, number, number)


def _threads(number: int) -> str:
    return "1 thread" if number == 1 else f"{number} threads"


def _number(number: float) -> str:
    if abs(number) >= 100:  # noqa: PLR2004 # three digits tell enough
        return f"{number:,.0f}"
    return f"{number:.2f}".removesuffix(".00")

"""Tables as they are printed and as they stand on the page; a builder for every section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks.contenders import ENTRIES
from benchmarks.figures import Figure, figure, ratio
from benchmarks.pgbench import NAME as PGBENCH
from benchmarks.pgbench import TITLE as PGBENCH_TITLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TITLES: Final = {name: entry.title for name, entry in ENTRIES.items()} | {PGBENCH: PGBENCH_TITLE}


_LARGE: Final = 100
_STRAY: Final = 0.05
"""What the server flushes by itself now and then is no cost of an execution."""


@dataclass(frozen=True, slots=True)
class Table:
    """Heads and rows of text."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return it as it stands on a page."""
        lines = [f"| {' | '.join(self.heads)} |", f"|{'---|' * len(self.heads)}"]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        return "\n".join(lines)


def rates(title: str, found: dict[str, Any], floor: str) -> Table:
    """Compare rates cell by cell, each with its ratio to the floor's of the same round."""
    measured: dict[str, dict[str, list[float]]] = found["rates"]
    cells = list(next(iter(measured.values())))
    heads = ["", *(head for cell in cells for head in (f"{cell}, per second", f"× {floor}"))]
    rows = []
    for name in sorted(measured, key=lambda one: -figure(measured[one][cells[0]]).middle):
        row = [TITLES.get(name, name)]
        for cell in cells:
            row.append(f"{figure(measured[name][cell]).middle:,.0f}")
            row.append(
                _spread(ratio(measured[name][cell], measured[floor][cell]))
                if floor in measured
                else ""
            )
        rows.append(tuple(row))
    return Table(title, tuple(heads), tuple(rows))


def absent(found: dict[str, Any]) -> list[str]:
    """Say who could not take part, and why."""
    missing: dict[str, str] = found.get("absent", {})
    return [f"{TITLES.get(name, name)}: {why}" for name, why in missing.items()]


def costs(found: dict[str, Any]) -> Table:
    """List what an execution sends and writes."""
    columns = ("statements", "round_trips", "commits", "flushes", "wal_bytes")
    heads = ["", *(f"{what.replace('_', ' ')}" for what in columns)]
    rows = []
    for name, kinds in found["counts"].items():
        cells = [
            f"{_count(kinds['fresh'][what])} / {_count(kinds['replay'][what])}" for what in columns
        ]
        rows.append((TITLES.get(name, name), *cells))
    return Table("One execution: fresh / replay", tuple(heads), tuple(rows))


def stalls(found: dict[str, Any]) -> Table:
    """List how long a loop was blocked."""
    rows = []
    for name, kinds in found["stalls"].items():
        for kind, windows in kinds.items():
            if kind == "error":
                continue
            rows.append(
                (
                    TITLES[name],
                    kind,
                    f"{sum(one['turns'] for one in windows):,}",
                    f"{max(one['processor_ms'] for one in windows):.2f}",
                    f"{max(one['wall_p999_ms'] for one in windows):.2f}",
                    f"{max(one['wall_ms'] for one in windows):.2f}",
                )
            )
    heads = ("", "", "turns", "longest, processor ms", "99.9 % below, ms", "longest, ms")
    return Table("One turn of the event loop, 8 tasks", heads, tuple(rows))


def waiters(found: dict[str, Any]) -> Table:
    """List how long callers of one running key took."""
    rows = [
        (TITLES[name], _spread(figure([one * 1e3 for one in seconds]), 1))
        for name, seconds in sorted(found["seconds"].items(), key=lambda one: figure(one[1]).middle)
    ]
    heads = ("", "ms until the last of 32 has the result")
    return Table("32 callers of one fresh key, 20 ms of work", heads, tuple(rows))


def crowd(found: dict[str, Any]) -> Table:
    """List what many waiters ask of the database."""
    rows = [
        (
            f"{one['waiters']:,}",
            f"{one['statements_per_second']:.1f}",
            f"{one['answered']:,}",
            f"{one['seconds_after_the_end'] * 1e3:,.0f}",
        )
        for one in found["crowd"].values()
    ]
    heads = ("waiters", "statements per second", "answered", "ms after the end")
    return Table("Waiters of one process on a pool of 5", heads, tuple(rows))


def latencies(found: dict[str, Any]) -> Iterable[Table]:
    """Yield a table for every latency."""
    for latency, measured in found["latencies"].items():
        title = "Without a proxy" if latency == "0" else f"{latency} ms more per round trip"
        yield rates(title, measured, "raw")


def heartbeat(found: dict[str, Any]) -> Table:
    """List the renewals."""
    rows = [(f"{one['leases']:,}", f"{one['ms']:.1f}") for one in found["renewals"]]
    return Table("Renewals", ("leases in one statement", "ms, commit included"), tuple(rows))


def memory(found: dict[str, Any]) -> Table:
    """List how much memory processes had after the first part, half-way and at the end."""
    rows = []
    for name, kib in found["kib"].items():
        points = (kib[0], kib[len(kib) // 2], kib[-1])
        rows.append((TITLES[name], *(f"{one / 1024:.1f}" for one in points)))
    total = found["executions"]
    parts = (total // 20, total // 2 + total // 20, total)
    heads = ("", *(f"MiB after {part:,}" for part in parts))
    return Table("Resident memory", heads, tuple(rows))


def _count(number: float) -> str:
    """Write a count; a fraction is what the library, or the server, does in the background."""
    whole = number >= _LARGE or abs(number - round(number)) < _STRAY
    return f"{number:,.0f}" if whole else f"{number:.1f}"


def _spread(one: Figure, digits: int = 2) -> str:
    return f"{one.middle:.{digits}f} ({one.low:.{digits}f}–{one.high:.{digits}f})"


def spread(samples: Sequence[float], digits: int = 2) -> str:
    """Write a median with its quartiles."""
    return _spread(figure(samples), digits)

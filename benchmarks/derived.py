"""What follows from the measured bytes: the lines of other pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmarks.growth_tables import STYLES
from benchmarks.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.results import Results

_PER_DAY: Final = (1, 10, 100)
"""Millions of executions."""
_SECONDS: Final = 86_400
_PEAK: Final = 10
_GIB: Final = 2**30


def keys(results: Results) -> str:
    """Compare time-ordered with random keys."""
    found = results.found("growth")
    if found is None:
        return ""
    rows = []
    for size in found["rows"]:
        wal = [found["styles"][style]["wal"][str(size)]["wal_bytes"] for style in STYLES]
        rows.append((f"{size:,}", *(f"{one:,.0f}" for one in wal), f"{wal[1] / wal[0]:.1f}"))
    heads = ("rows in the table", *(f"WAL bytes, {name}" for name in STYLES.values()), "×")
    return Table("", heads, tuple(rows)).markdown()


def scale(results: Results) -> str:
    """Say what millions of executions a day write, flush and keep."""
    growth, costs = results.found("growth"), results.found("costs")
    if growth is None or costs is None:
        return ""
    rows = [_row(growth, costs, millions) for millions in _PER_DAY]
    heads = (
        "executions a day",
        "mean per second",
        "flushes per second",
        f"flushes per second at a peak of {_PEAK}×",
        "WAL a day, time-ordered keys",
        "WAL a day, random keys",
        "table and indexes, per day kept",
    )
    return Table("", heads, tuple(rows)).markdown()


def _row(growth: dict[str, Any], costs: dict[str, Any], millions: int) -> tuple[str, ...]:
    executions = millions * 1_000_000
    size = str(growth["rows"][-1])
    flushes = costs["counts"]["tracker"]["fresh"]["flushes"] * executions / _SECONDS
    wal = [growth["styles"][style]["wal"][size]["wal_bytes"] * executions for style in STYLES]
    takes = growth["styles"]["time"]["sizes"][size]
    kept = (takes["heap_per_row"] + takes["indexes_per_row"]) * executions
    return (
        f"{executions:,}",
        f"{executions / _SECONDS:,.0f}",
        f"{flushes:,.0f}",
        f"{flushes * _PEAK:,.0f}",
        *(f"{one / _GIB:,.1f} GiB" for one in wal),
        f"{kept / _GIB:,.1f} GiB",
    )


PARTS: Final[dict[str, Callable[[Results], str]]] = {"keys": keys, "scale": scale}

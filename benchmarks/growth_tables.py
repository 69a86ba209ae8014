"""The tables of the section on growth: rates and calls by size, WAL, index sets, sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmarks.figures import Figure, figure, ratio
from benchmarks.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

STYLES: Final = {"time": "time-ordered keys", "random": "random keys"}


_MEDIUM: Final = 1_000_000


def rows_of_index_sets(rows: list[int]) -> int:
    """Return at which size sets of indexes are compared: making them again takes its time."""
    return max((size for size in rows if size <= _MEDIUM), default=rows[0])


def slowdowns(style: dict[str, Any], rows: list[int]) -> dict[str, list[Figure]]:
    """Return how many times slower everything is at every size than at the first, per round."""
    found = {}
    first = str(rows[0])
    for cell in ("fresh x1", "replay x1"):
        base = style["rates"][f"tracker {first}"][cell]
        found[cell.removesuffix(" x1")] = [
            ratio(base, style["rates"][f"tracker {size}"][cell]) for size in rows
        ]
    for what in style["calls"][first]:
        base = style["calls"][first][what]
        found[what] = [ratio(style["calls"][str(size)][what], base) for size in rows]
    return found


def tables(found: dict[str, Any]) -> Iterator[Table]:
    """Yield all tables."""
    rows = found["rows"]
    for name, style in found["styles"].items():
        yield _by_size(f"With {STYLES[name]}: as measured", style, rows)
        yield _slower(f"With {STYLES[name]}: times slower than the smallest", style, rows)
    yield _wal(found)
    yield _index_sets(found)


def _by_size(title: str, style: dict[str, Any], rows: list[int]) -> Table:
    lines = []
    for contender, called in (("tracker", "exec_tracker"), ("raw", "raw psycopg2")):
        for cell in ("fresh x1", "replay x1"):
            measured = [style["rates"][f"{contender} {size}"][cell] for size in rows]
            lines.append(
                (
                    f"{called}, {cell.removesuffix(' x1')}, per second",
                    *(f"{figure(one).middle:,.0f}" for one in measured),
                )
            )
    for what in style["calls"][str(rows[0])]:
        measured = [style["calls"][str(size)][what] for size in rows]
        lines.append((f"{what}, ms", *(f"{figure(one).middle:.2f}" for one in measured)))
    return Table(title, ("", *(f"{size:,} rows" for size in rows)), tuple(lines))


def _slower(title: str, style: dict[str, Any], rows: list[int]) -> Table:
    lines = [
        (what, *(f"{one.middle:.2f} ({one.low:.2f}–{one.high:.2f})" for one in figures))
        for what, figures in slowdowns(style, rows).items()
    ]
    return Table(title, ("", *(f"{size:,} rows" for size in rows)), tuple(lines))


def _wal(found: dict[str, Any]) -> Table:
    lines = []
    for name, style in found["styles"].items():
        for size in found["rows"]:
            wal, takes = style["wal"][str(size)], style["sizes"][str(size)]
            lines.append(
                (
                    STYLES[name],
                    f"{size:,}",
                    f"{wal['wal_bytes']:,.0f}",
                    f"{wal['hot_share']:.0%}",
                    f"{takes['heap_per_row']:.0f}",
                    f"{takes['indexes_per_row']:.0f}",
                )
            )
    heads = (
        "",
        "rows",
        "WAL bytes per execution",
        "HOT updates",
        "table bytes per row",
        "index bytes per row",
    )
    return Table("What is written, and how much a row takes", heads, tuple(lines))


def _index_sets(found: dict[str, Any]) -> Table:
    size = rows_of_index_sets(found["rows"])
    sets = list(next(iter(found["styles"].values()))["index_sets"])
    lines = []
    for one in sets:
        cells = []
        for style in found["styles"].values():
            wal = style["index_sets"][one]
            cells += [f"{wal['wal_bytes']:,.0f}", f"{wal['hot_share']:.0%}"]
        lines.append((one, *cells))
    heads = ["indexes"]
    for name in found["styles"]:
        heads += [f"WAL bytes, {STYLES[name]}", "HOT"]
    return Table(f"Index sets, at {size:,} rows", tuple(heads), tuple(lines))

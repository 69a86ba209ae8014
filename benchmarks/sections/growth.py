"""Whether anything gets slower as the table grows, with keys in time order and at random."""

from __future__ import annotations

import random
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks.crew import FRESH, REPLAY
from benchmarks.filling import fill
from benchmarks.growth_tables import rows_of_index_sets
from benchmarks.keys import RANDOM, TIME_ORDERED
from benchmarks.lanes import Lane
from benchmarks.listing import Reader
from benchmarks.rounds import interleave
from benchmarks.server import started
from benchmarks.writing import index_sets, table_size, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.options import Options
    from benchmarks.server import BenchmarkServer

_UNATTENDED: Final = {"autovacuum": "off"}
"""A vacuum in between would write WAL that is not an execution's; the filled tables had theirs."""
_CELLS: Final = [(FRESH, 1), (REPLAY, 1)]
_CONTENDERS: Final = ("tracker", "raw")


@dataclass(frozen=True, slots=True)
class _Table:
    """A filled table in a database of its own."""

    rows: int
    style: str
    url: str
    first_at: int


def measure(options: Options, told: Callable[[str], None]) -> dict[str, Any]:
    """Fill one database per size, and measure all sizes in the same rounds."""
    found: dict[str, Any] = {"rows": list(options.rows), "styles": {}}
    for style in (TIME_ORDERED, RANDOM):
        # On a new server: what one style has left to be written would disturb the other.
        with started(_UNATTENDED) as server:
            tables = []
            for rows in options.rows:
                url = server.migrated(f"{style}_{rows}")
                tables.append(_Table(rows, style, url, fill(url, style, rows)))
                told(f"{style}: {rows:,} rows")
            found["styles"][style] = _measure(server, tables, options, told)
    return found


def _measure(
    server: BenchmarkServer, tables: list[_Table], options: Options, told: Callable[[str], None]
) -> dict[str, Any]:
    sizes = {str(table.rows): table_size(table.url) for table in tables}
    rates = _rates(tables, options, told)
    calls = _calls(tables, options)
    told("listings and purges")
    style = tables[0].style
    wal = {str(table.rows): written(table.url, style, options.counted) for table in tables}
    told("WAL")
    size = rows_of_index_sets([table.rows for table in tables])
    url = next(table.url for table in tables if table.rows == size)
    sets = index_sets(url, style, options.counted)
    told("index sets")
    return {"rates": rates, "calls": calls, "wal": wal, "sizes": sizes, "index_sets": sets}


def _rates(
    tables: list[_Table], options: Options, told: Callable[[str], None]
) -> dict[str, dict[str, list[float]]]:
    with ExitStack() as stack:
        lanes = {}
        for table in tables:
            for name in _CONTENDERS:
                lane = stack.enter_context(Lane(name))
                filled = [table.rows, table.first_at]
                lane.ask("open", url=table.url, callers=1, style=table.style, filled=filled)
                lanes[f"{name} {table.rows}"] = lane
        rates, failed = interleave(
            lanes, _CELLS, rounds=options.rounds, seconds=options.seconds, told=told
        )
        if failed:
            raise RuntimeError(f"a contender failed: {failed}")
        return rates


def _calls(tables: list[_Table], options: Options) -> dict[str, dict[str, list[float]]]:
    """Time single calls of the tracker, in milliseconds, the sizes taking turns."""
    with ExitStack() as stack:
        readers = {
            str(table.rows): stack.enter_context(Reader(table.url, table.first_at))
            for table in tables
        }
        times: dict[str, dict[str, list[float]]] = {size: {} for size in readers}
        for _ in range(options.rounds):
            turns = list(readers.items())
            random.shuffle(turns)
            for size, reader in turns:
                for what, milliseconds in reader.times().items():
                    times[size].setdefault(what, []).append(milliseconds)
        return times

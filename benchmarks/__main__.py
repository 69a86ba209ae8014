"""`python -m benchmarks` measures, prints the tables, draws the charts and writes the pages."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as Printed

from benchmarks import charts, page, targets
from benchmarks.options import Options
from benchmarks.results import FILE, Results, circumstances
from benchmarks.sections import BY_DEFAULT, SECTIONS

if TYPE_CHECKING:
    from benchmarks.tables import Table

_QUICK = Options(rounds=3, seconds=0.1, executions=2_000, counted=200, rows=(10_000, 50_000))


def main() -> int:
    """Do what the command line says."""
    chosen = _parse()
    console = Console()
    results = Results.read(chosen.results)
    if not chosen.render:
        options = _options(chosen)
        for name in chosen.only:
            _measure(name, options, results, console)
            results.write(chosen.results)  # so that what was measured survives what comes after
        results = Results.read(chosen.results)  # in the order in which it will be read again
    for name in chosen.only:
        found = results.found(name)
        for table in page.all_tables(name, found) if found else ():
            _print(console, f"{name}: {table.title}".removesuffix(": "), table)
    _print(console, "Targets", targets.table(results))
    if not chosen.quick:
        charts.draw(results)
        for written in page.write(results):
            console.print(f"wrote {written.relative_to(page.DOCS.parent)}")
    return 0


def _measure(name: str, options: Options, results: Results, console: Console) -> None:
    run, began = circumstances(options), time.monotonic()
    with console.status(name) as status:
        found = SECTIONS[name](options, lambda what: status.update(f"{name}: {what}"))
    results.keep(name, found, run | {"seconds": round(time.monotonic() - began, 1)})
    console.print(f"{name}: {time.monotonic() - began:.0f} s")


def _print(console: Console, title: str, table: Table) -> None:
    printed = Printed(title=title, title_justify="left")
    for number, head in enumerate(table.heads):
        printed.add_column(head, justify="right" if number else "left")
    for row in table.rows:
        printed.add_row(*(cell.replace("**", "").replace("`", "") for cell in row))
    console.print(printed)


def _options(chosen: argparse.Namespace) -> Options:
    base = _QUICK if chosen.quick else Options()
    return Options(
        rounds=chosen.rounds or base.rounds,
        seconds=chosen.seconds or base.seconds,
        executions=chosen.executions or base.executions,
        counted=chosen.counted or base.counted,
        rows=chosen.rows or base.rows,
        contenders=chosen.contenders,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _sections(text: str) -> tuple[str, ...]:
    names = tuple(SECTIONS) if text == "all" else _names(text)
    unknown = set(names) - set(SECTIONS)
    if unknown:
        raise argparse.ArgumentTypeError(f"no section {min(unknown)!r}: {', '.join(SECTIONS)}")
    return names


def _rows(text: str) -> tuple[int, ...]:
    return tuple(int(number.replace("_", "")) for number in _names(text))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--only", type=_sections, default=BY_DEFAULT, help="sections, with commas, or 'all'")
    add("--render", action="store_true", help="measure nothing, write the pages from the results")
    add("--quick", action="store_true", help="a trial: few short rounds, and no page is written")
    add("--rounds", type=int, help="rounds, 25 unless told")
    add("--seconds", type=float, help="seconds of each window, 0.2 unless told")
    add("--executions", type=int, help="executions of the memory section, 50,000 unless told")
    add("--counted", type=int, help="executions whose WAL is counted, 5,000 unless told")
    add("--rows", type=_rows, help="table sizes for growth, as 10_000,1_000_000,20_000_000")
    add("--contenders", type=_names, default=(), help="only these, with commas")
    add("--results", default=FILE, type=type(FILE), help="the file that keeps the results")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""Run the tests on every supported PostgreSQL, Python and SQLAlchemy, and print a table.

`python -m tests.matrix [--slice] [CELL ...] [-- PYTEST ARGUMENTS]`; the exit status is 1 if tests
failed in a cell. A cell that this machine cannot have is named with the reason, and is no failure.
"""

from __future__ import annotations

import argparse
import signal
import sys

from tests.matrix.cells import UnknownCellError, chosen_cells
from tests.matrix.running import SLICE, SUITE, run_cell
from tests.matrix.table import table


def main(arguments: list[str]) -> int:
    """Run the cells one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix")
    parser.add_argument("cells", nargs="*", metavar="CELL", help="pg14, py3.13, pg14-py3.12, all")
    parser.add_argument("--slice", action="store_true", help="only a few of the tests")
    # In the background a shell has us ignore Ctrl-C, and what tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    asked = parser.parse_args(arguments[:end])
    try:
        cells = chosen_cells(asked.cells)
    except UnknownCellError as error:
        parser.error(str(error))
    outcomes = []
    for cell in cells:
        _say(f"\n===== {cell.name} =====")
        outcomes.append(run_cell(cell, SLICE if asked.slice else SUITE, arguments[end + 1 :]))
    _say(f"\n{table(outcomes)}")
    return int(any(outcome.has_failed for outcome in outcomes))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 # between what pytest prints


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

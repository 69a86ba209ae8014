"""`python -m proof --minutes N` runs the proof and writes docs/explanation/proof.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from proof import faults_page, recorded, report, running
from proof.faults import Faults, soak_it, strike_the_server, strike_the_wire
from proof.recorded import FAULTS, ORDERS
from proof.seeds import SEED_VARIABLE, chosen_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proof.recorded import Part

_PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "proof.md"
_PRINTED = ("wire", "server", "soak")


def main() -> int:
    """Run, write the page, and tell with the exit status whether every promise held."""
    chosen = _arguments()
    seed = chosen_seed() if chosen.seed is None else chosen.seed
    if chosen.only in _PRINTED:
        return _verdict(_print_part(chosen.only, chosen.minutes * 60, seed))
    parts, problems = _run_parts(chosen, seed)
    chosen.page.parent.mkdir(parents=True, exist_ok=True)
    chosen.page.write_text(report.write(recorded.keep(parts)), encoding="utf-8")
    return _verdict(problems)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m proof", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=60.0, help="how long it may take")
    add("--jobs", type=int, default=2, help="how many processes search")
    add("--page", type=Path, default=_PAGE, help="where the report is written")
    add("--seed", type=int, help=f"what chance follows from; {SEED_VARIABLE} where it is not given")
    add(
        "--only",
        choices=[ORDERS, FAULTS, *_PRINTED],
        help=f"one half of the page, {ORDERS} or {FAULTS}; or one kind of faults, printed only",
    )
    return parser.parse_args()


def _run_parts(chosen: argparse.Namespace, seed: int) -> tuple[dict[str, Part], list[str]]:
    minutes = chosen.minutes if chosen.only else chosen.minutes / 2
    parts: dict[str, Part] = {}
    problems: list[str] = []
    if chosen.only != FAULTS:
        found = running.try_orders(minutes, chosen.jobs, seed)
        parts[ORDERS] = report.of_orders(found)
        problems += report.broken(found)
    if chosen.only != ORDERS:
        faults = running.try_faults(minutes, seed)
        parts[FAULTS] = report.of_faults(faults)
        problems += faults.problems
    return parts, problems


def _print_part(part: str, seconds: float, seed: int) -> Sequence[str]:
    faults = Faults(seed)
    if part == "wire":
        strike_the_wire(faults, seconds)
    elif part == "server":
        strike_the_server(faults)
    else:
        soak_it(faults, seconds)
    print("\n".join(faults_page.sections(faults)))
    return faults.problems


def _verdict(problems: Sequence[str]) -> int:
    for problem in problems:
        print(f"BROKEN: {problem}", file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())

"""`python -m proof --minutes N` runs the proof and writes docs/explanation/proof.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from proof import faults_page, report, running
from proof.faults import Faults, soak_it, strike_the_server, strike_the_wire
from proof.seeds import SEED_VARIABLE, chosen_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

_PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "proof.md"


def main() -> int:
    """Run, write the page, and tell with the exit status whether every promise held."""
    chosen = _arguments()
    seed = chosen_seed() if chosen.seed is None else chosen.seed
    if chosen.only:
        return _verdict(_run_part(chosen.only, chosen.minutes * 60, seed))
    found = running.run(chosen.minutes, chosen.jobs, seed)
    chosen.page.parent.mkdir(parents=True, exist_ok=True)
    chosen.page.write_text(report.write(found), encoding="utf-8")
    return _verdict(report.broken(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m proof", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=60.0, help="how long it may take")
    add("--jobs", type=int, default=2, help="how many processes search")
    add("--page", type=Path, default=_PAGE, help="where the report is written")
    add("--seed", type=int, help=f"what chance follows from; {SEED_VARIABLE} where it is not given")
    add("--only", choices=["wire", "server", "soak"], help="one part, printed and not written")
    return parser.parse_args()


def _run_part(part: str, seconds: float, seed: int) -> Sequence[str]:
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

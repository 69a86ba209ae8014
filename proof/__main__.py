"""`python -m proof --minutes N` runs the proof and writes docs/explanation/proof.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from proof import report, running

_PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "proof.md"


def main() -> int:
    """Run, write the page, and tell with the exit status whether every promise held."""
    parser = argparse.ArgumentParser(prog="python -m proof", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long it may take")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes search")
    parser.add_argument("--page", type=Path, default=_PAGE, help="where the report is written")
    chosen = parser.parse_args()
    found = running.run(chosen.minutes, chosen.jobs)
    chosen.page.parent.mkdir(parents=True, exist_ok=True)
    chosen.page.write_text(report.write(found), encoding="utf-8")
    problems = report.broken(found)
    for problem in problems:
        print(f"BROKEN: {problem}", file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())

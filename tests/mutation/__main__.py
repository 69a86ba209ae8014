"""Mutate the pure rules, and write the page about what the unit tests noticed.

`python -m tests.mutation [--jobs N]`; the exit status is 1 if fewer than nine in ten mutants are
caught, or if one lives that `explained.py` has no reason for.
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.mutation.explained import reason
from tests.mutation.page import PAGE, write
from tests.mutation.running import mutants

_ENOUGH = 0.9


def main() -> int:
    """Run, write, and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    found = mutants(parser.parse_args().jobs)
    PAGE.write_text(write(found), encoding="utf-8")
    caught = sum(one.is_caught for one in found)
    unexplained = [one for one in found if not one.is_caught and reason(one) is None]
    for one in unexplained:
        _say(f"lives: {one.module}.{one.function} ({one.status}): {one.removed} → {one.added}")
    _say(f"{caught} of {len(found)} mutants caught, {len(unexplained)} live without a reason")
    return int(bool(unexplained) or caught < _ENOUGH * len(found))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 # between what mutmut prints


if __name__ == "__main__":
    sys.exit(main())

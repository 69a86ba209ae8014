"""What the page says of three contenders: how many orders there are, and how many differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proof.prose import THREES
from proof.roles import MODES
from proof.stage import STATES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proof.matrix import Case
    from proof.running import Findings


def figures(found: Findings) -> Iterator[tuple[str, str]]:
    """Yield the lines of the table of figures."""
    alone = [case for case in found.reduced if not case.fourth and case in found.tallies]
    every = sum(found.tallies[case].schedules for case in alone)
    reduced = sum(found.reduced[case].schedules for case in alone)
    yield ("orders of three contenders alone, and those that differ", f"{every:,}, {reduced:,}")
    fourth = [tally for case, tally in found.reduced.items() if case.fourth]
    yield (
        "orders of three contenders and a further actor that differ",
        f"{sum(tally.schedules for tally in fourth):,}",
    )


def section(found: Findings) -> Iterator[str]:
    """Yield the section."""
    yield THREES
    fourths = list(dict.fromkeys(case.fourth for case in found.reduced))
    for mode in MODES:
        cases = [case for case in found.reduced if case.mode == mode]
        if not cases:
            continue
        cells = {(case.fourth, case.state): _cell(found, case) for case in cases}
        states = [state for state in STATES if any(case.state == state for case in cases)]
        yield f"### Three, {mode}"
        yield ""
        yield f"| and | {' | '.join(states)} |"
        yield f"|{'---|' * (len(states) + 1)}"
        for fourth in fourths:
            row = (cells.get((fourth, state), "") for state in states)
            yield f"| {fourth or 'nobody'} | {' | '.join(row)} |"
        yield ""


def broken(found: Findings) -> list[str]:
    """Return every promise that the reduced search saw break."""
    return [f"{case}, reduced: {one.broken}" for case, one in found.reduced.items() if one.broken]


def _cell(found: Findings, case: Case) -> str:
    reduced, every = found.reduced[case], found.tallies.get(case)
    if reduced.broken:
        return "**broken**"
    mark = "" if reduced.is_complete and (every is None or every.is_complete) else " +"
    of = "" if every is None else f"{every.schedules:,} / "
    return f"{of}{reduced.schedules:,} / {reduced.executed:,}{mark}"

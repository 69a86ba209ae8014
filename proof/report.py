"""Write what a run has found as docs/explanation/proof.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proof import faults_page, threes_page
from proof.killing import killed_is_kept
from proof.matrix import THIRD
from proof.prose import AFTER, CRASHES, INTERLEAVINGS, INTRODUCTION, KILLS, MODEL, MUTATED
from proof.recorded import FAULTS, ORDERS, PARTS, Part
from proof.roles import MODES
from proof.running import versions
from proof.stage import STATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from proof.crashes import CrashPoint
    from proof.faults import Faults
    from proof.matrix import Case
    from proof.running import Findings

_STRUCK = {
    "vanish": "the process dies",
    "drop": "the connection breaks before it arrives",
    "cut": "it arrives, its answer is lost",
    "refuse": "the server refuses it",
    "interrupt": "it is interrupted",
}


def write(parts: Mapping[str, Part]) -> str:
    """Return the page of the parts that were run."""
    known = [parts[name] for name in PARTS if name in parts]
    lines = [INTRODUCTION]
    for part in known:
        lines += [part.run, "", f"    {part.command}", ""]
    lines += _table(("tried", "figure"), [figure for part in known for figure in part.figures])
    lines += [part.sections for part in known]
    return "\n".join([*lines, AFTER]).rstrip() + "\n"


def of_orders(found: Findings) -> Part:
    """Return the part about orders of turns, and what goes with it."""
    sections = [INTERLEAVINGS, *_interleavings(found), *threes_page.section(found)]
    sections += [MUTATED, *_mutations(found)]
    sections += [CRASHES, *_crashes(found), KILLS, *_killed(found), MODEL]
    options = f"--only {ORDERS} --minutes {found.minutes:g} --jobs {found.jobs} --seed {found.seed}"
    return Part(
        _run("Orders of turns", found.began_at, found.seconds, found.versions),
        f"python -m proof {options}",
        list(_figures(found)),
        "\n".join(sections),
    )


def of_faults(faults: Faults) -> Part:
    """Return the part about faults."""
    options = f"--only {FAULTS} --minutes {faults.minutes:g} --seed {faults.seed}"
    return Part(
        _run("Faults", faults.began_at, faults.seconds, versions()),
        f"python -m proof {options}",
        faults_page.figures(faults),
        "\n".join(faults_page.sections(faults)),
    )


def _run(what: str, began_at: datetime, seconds: float, versions: str) -> str:
    return f"{what}: run of {began_at:%Y-%m-%d}, {seconds / 60:.0f} minutes, with {versions}."


def broken(found: Findings) -> list[str]:
    """Return every promise that was seen to break, and every mutation that was not."""
    lines = [f"{case}: {tally.broken}" for case, tally in found.tallies.items() if tally.broken]
    lines += threes_page.broken(found)
    lines += [found.modelled.broken] if found.modelled.broken else []
    lines += [f"not caught: {m.mutation}" for m in found.verdicts if None in (m.alone, m.reduced)]
    return lines + [f"{one}: {why}" for one in found.killed if (why := killed_is_kept(one))]


def _figures(found: Findings) -> Iterator[tuple[str, str]]:
    tallies = [one for case, one in found.tallies.items() if case.further != THIRD]
    every = [*found.tallies.values(), *found.reduced.values()]
    complete = [one for one in tallies if one.is_complete and not one.broken]
    caught = sum(1 for one in found.verdicts if one.alone and one.reduced)
    yield "scenarios: a mode, a starting state, a further actor", f"{len(tallies):,}"
    yield "… of them exhausted", f"{len(complete):,}"
    yield "searches not reached in this run's time", f"{len(found.skipped):,}"
    yield "orders of turns covered", f"{sum(one.schedules for one in tallies):,}"
    yield "… of them executed, the others merged", f"{sum(t.executed for t in tallies):,}"
    yield "turns taken and checked from outside", f"{sum(one.turns for one in every):,}"
    yield from threes_page.figures(found)
    yield "promises broken", f"{sum(1 for one in every if one.broken):,}"
    yield "mutations of the protocol, and caught", f"{len(found.verdicts)}, {caught}"
    yield "crash points, each with its aftermath", f"{len(found.crashes):,}"
    yield "processes killed", f"{len(found.killed):,}"
    yield "random programs held to the model", f"{found.modelled.programs:,}"
    yield "… their calls", f"{found.modelled.calls:,}"


def _interleavings(found: Findings) -> Iterator[str]:
    pairs = [case for case in found.tallies if case.further != THIRD]
    furthers = list(dict.fromkeys(case.further for case in pairs))
    for mode in MODES:
        cells = {(c.state, c.further): _cell(found, c) for c in pairs if c.mode == mode}
        states = [state for state in STATES if any(of == state for of, _ in cells)]
        rows = [
            (further, *(cells.get((state, further), "") for state in states))
            for further in furthers
            if any((state, further) in cells for state in states)
        ]
        yield f"### {mode}"
        yield ""
        yield from _table(("and", *states), rows)


def _cell(found: Findings, case: Case) -> str:
    tally = found.tallies[case]
    if tally.broken:
        return "**broken**"
    mark = "" if tally.is_complete else " +"
    return f"{tally.schedules:,} / {tally.executed:,}{mark}"


def _mutations(found: Findings) -> Iterator[str]:
    rows = [
        (
            one.mutation,
            _short(one.alone),
            "seen as well" if one.guarded else "refused by it",
            "seen as well" if one.reduced else "**not caught**",
        )
        for one in found.verdicts
    ]
    heads = ("mutation", "the promise it breaks", "with the database's guard", "by fewer orders")
    yield from _table(heads, rows)


def _short(broken_promise: str | None) -> str:
    if broken_promise is None:
        return "**not caught**"
    promise, _, order = broken_promise.rpartition(" [")
    promise = promise or order
    for noise in (": {", "('", '("'):
        promise = promise.split(noise)[0]
    return promise if not order or promise == order else f"{promise}, {order.count('→') + 1} turns"


def _crashes(found: Findings) -> Iterator[str]:
    for mode in MODES:
        points = [one for one in found.crashes if one.mode == mode and one.state == "absent"]
        yield f"### {mode}"
        yield ""
        heads = (
            "before",
            "what happens",
            "what stands then",
            "its caller",
            "the next caller",
            "the next after the lease",
            "effects",
            "settled by",
        )
        yield from _table(heads, [_crash_row(point) for point in points])


def _crash_row(point: CrashPoint) -> tuple[str, ...]:
    late = f"; the statement {point.backend}" if point.backend else ""
    heard = (point.caller, point.next_caller, point.after_the_lease)
    return (
        f"`{point.point}`" if "_" in point.point else point.point,
        f"{_STRUCK[point.fault]}{late}",
        point.left,
        *heard,
        str(point.effects),
        point.settled_by,
    )


def _killed(found: Findings) -> Iterator[str]:
    heads = (
        "mode",
        "killed",
        "what stands then",
        "effects",
        "the next caller",
        "the next after the lease",
        "effects in the end",
    )
    rows = [
        (
            one.mode,
            one.point,
            one.left,
            str(one.effects),
            one.next_caller,
            one.after_the_lease,
            str(one.effects_at_the_end),
        )
        for one in found.killed
    ]
    yield from _table(heads, rows)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""

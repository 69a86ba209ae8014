"""Write what a run has found about faults, as the part of docs/explanation/proof.md about them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from proof.clients import DRIVERS
from proof.faults_prose import AUDIT, FAILOVER, LOST, OUTAGES, SOAK, TIME_OUTS, WIRE
from proof.wire.calls import CALLS
from proof.wire.line import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from proof.failover.drills import Loss
    from proof.faults import Faults
    from proof.outages.drill import Outage
    from proof.soak.rounds import Soak

_SHOWN_ERRORS = 8


def figures(faults: Faults) -> list[tuple[str, str]]:
    """Return the lines about faults for the page's first table."""
    wire = sum(one.struck.total() for one in faults.wire)
    ways = sum(one.possible.total() for one in faults.wire)
    restarts = sum(one.strikes for one in faults.outages)
    lines = [
        ("faults injected into real calls, all in all", f"{faults.injected:,}"),
        ("… at a message on the wire, of all the ways there are", f"{wire:,} of {ways:,}"),
        ("… to a server under load: restarts, crashes, failover, no room", f"{restarts:,}"),
        ("… time-outs and deadlocks", f"{faults.time_outs.total():,}"),
    ]
    if faults.soak is not None:
        found = faults.soak.audit
        lines += [
            ("… in the soak", f"{faults.soak.faults.total():,}"),
            ("executions in the soak", f"{found.executions:,}"),
            ("… their effects", f"{found.effects - found.repeated_as_asked:,}"),
            ('… effects repeated by `on_abandoned="retry"`', f"{found.repeated_as_asked:,}"),
            ("… answers given to callers", f"{found.answers:,}"),
        ]
    lines += [
        ("effects that happened twice", f"{_sum(faults, 'duplicates'):,}"),
        ("answers or effects lost", f"{_sum(faults, 'losses'):,}"),
        ("keys that could not be resolved", f"{_sum(faults, 'unresolved'):,}"),
        ("promises broken by faults", f"{len(faults.problems):,}"),
    ]
    return lines


def _sum(faults: Faults, name: str) -> int:
    audits = [one.audit for one in faults.outages]
    if faults.soak is not None:
        audits.append(faults.soak.audit)
    return sum(getattr(audit, name) for audit in audits)


def sections(faults: Faults) -> Iterator[str]:
    """Yield everything about faults, section by section."""
    if faults.wire:
        yield from (WIRE, *_calls(faults), *_kinds(faults))
    if faults.outages:
        yield from (OUTAGES, *_outages(faults.outages))
        yield from (TIME_OUTS, *_table(("struck", "times"), _counted(faults.time_outs)))
        yield from (f"Not tried here: {reason}.\n" for reason in faults.skipped)
    if faults.losses:
        yield from (FAILOVER, *_losses(faults.losses), LOST)
    if faults.soak is not None:
        yield from (SOAK, *_soak(faults.soak), AUDIT)


def _calls(faults: Faults) -> Iterator[str]:
    rows = []
    for call in CALLS:
        cells = [f"{one.struck[call.name]:,} / {one.possible[call.name]:,}" for one in faults.wire]
        rows.append((call.name, *cells))
    slowest = (f"{one.slowest:.1f} s" for one in faults.wire)
    rows.append(("the longest until the answer was there", *slowest))
    yield from _table(("struck / possible", *DRIVERS), rows)


def _kinds(faults: Faults) -> Iterator[str]:
    kinds = sum((one.kinds for one in faults.wire), Counter[str]())
    repeated = sum((one.repeated for one in faults.wire), Counter[str]())
    rows = [
        (f"{kind}: {meaning}", f"{kinds[kind]:,}", f"{repeated[kind]:,}")
        for kind, meaning in KINDS.items()
    ]
    heads = ("what happens to the line", "times", "the caller had to call again")
    yield from _table(heads, rows)


def _outages(outages: Iterable[Outage]) -> Iterator[str]:
    heads = ("the server", "times", "calls", "executions", "effects", "twice", "lost", "all back")
    rows = [
        (
            one.name,
            f"{one.strikes}",
            f"{one.calls:,}",
            f"{one.audit.executions:,}",
            f"{one.audit.effects:,}",
            f"{one.audit.duplicates}",
            f"{one.audit.losses}",
            f"{one.recovered_after:.1f} s",
        )
        for one in outages
    ]
    yield from _table(heads, rows)


def _losses(losses: Iterable[Loss]) -> Iterator[str]:
    heads = (
        "mode",
        "told to callers",
        "… result there",
        "… claim alone",
        "… nothing",
        "called again: abandoned",
        "called again: a second effect",
    )
    rows = [
        (
            one.mode,
            f"{one.acknowledged:,}",
            f"{one.results:,}",
            f"{one.claims_alone:,}",
            f"{one.nothing:,}",
            f"{one.reported_abandoned:,}",
            f"{one.done_again:,}",
        )
        for one in losses
    ]
    yield from _table(heads, rows)


def _soak(soak: Soak) -> Iterator[str]:
    found = soak.audit
    yield f"Seed {soak.seed}, {soak.rounds} rounds, {soak.seconds / 60:.0f} minutes."
    yield ""
    rows = [
        ("keys", f"{found.keys:,}"),
        ("executions", f"{found.executions:,}"),
        ("effects", f"{found.effects:,}"),
        ('… repeated, where `on_abandoned="retry"` asked for it', f"{found.repeated_as_asked:,}"),
        ("… happened twice", f"{found.duplicates:,}"),
        ("answers given", f"{found.answers:,}"),
        ("… or effects, lost", f"{found.losses:,}"),
        ("left open by the faults, and settled at the end", f"{soak.settled:,}"),
        ("not to be settled", f"{found.unresolved:,}"),
    ]
    yield from _table(("counted", "figure"), rows)
    yield from _table(("fault", "times"), _counted(soak.faults))
    heard = Counter(dict(soak.errors.most_common(_SHOWN_ERRORS)))
    yield from _table(("callers heard, most often", "times"), _counted(heard, code=True))


def _counted(counted: Counter[str], *, code: bool = False) -> list[tuple[str, str]]:
    mark = "`" if code else ""
    return [(f"{mark}{name}{mark}", f"{times:,}") for name, times in counted.most_common()]


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""

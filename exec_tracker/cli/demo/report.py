"""Show what the demo came to: a table for people, or JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from exec_tracker.cli.demo.messages import Moment, News
from exec_tracker.cli.output import shown

if TYPE_CHECKING:
    from exec_tracker.cli.demo.tally import Kill, Tally

__all__ = ["as_dictionary", "as_table", "verdict"]


def as_table(tally: Tally, seconds: float) -> Table:
    """Return the table that is shown at the end."""
    table = Table("what", "how many", "", title="Exactly once, counted outside the tracker")
    table.columns[1].justify = "right"
    for what, count, remark in _rows(tally):
        table.add_row(what, f"{count:,}", remark)
    table.add_section()
    table.add_row(
        Text("effects per key", style="bold"),
        Text(f"min {tally.fewest}, max {tally.most}", style="bold"),
        f"in {seconds:.1f} s",
    )
    return table


def _rows(tally: Tally) -> list[tuple[str, int, str | Text]]:
    counts = tally.counts
    unequal = counts[News.UNEQUAL]
    rows: list[tuple[str, int, str | Text]] = [
        ("deliveries in the file", tally.deliveries, ""),
        ("distinct keys", len(tally.keys), ""),
        ("calls, with redeliveries", tally.calls, ""),
        ("executions: the function ran", tally.executions, _killed(tally)),
        (
            "replays of the stored result",
            counts[News.REPLAYED],
            f"{unequal} unequal" if unequal else "each equal to the first",
        ),
        ("refused as in progress", counts[News.REFUSED], "sent again later"),
    ]
    if counts[News.LOST]:
        rows.append(("stalled, and refused as late", counts[News.LOST], "sent again later"))
    rows.append(("abandoned, by SIGKILL", len(tally.kills), _resolutions(tally)))
    return rows


def _killed(tally: Tally) -> str:
    return f"{len(tally.kills)} of them killed half-way" if tally.kills else ""


def _resolutions(tally: Tally) -> Text:
    return Text("\n").join(shown(_resolution(tally, kill)) for kill in tally.kills)


def _resolution(tally: Tally, kill: Kill) -> str:
    place = "after" if kill.moment is Moment.AFTER else "before"
    match tally.verdicts.get(kill.key):
        case News.FOUND:
            return f"{place} its effect: found outside, not run again"
        case News.NOT_FOUND:
            return f"{place} its effect: not found outside, so run again"
        case _:
            return f"{place} its effect: not resolved"


def verdict(tally: Tally) -> Text:
    """Return the sentence that the exit status stands for."""
    if tally.holds:
        return Text("Every delivery had exactly one effect.", style="bold green")
    more = sum(tally.effects[key] > 1 for key in tally.keys)
    none = sum(tally.effects[key] == 0 for key in tally.keys)
    return Text(
        f"It did not hold: of {len(tally.keys)} keys {more} had more than one effect and {none} "
        f"had none; {tally.counts[News.UNEQUAL]} replays were unequal, "
        f"{len(tally.undecided)} abandoned executions were left undecided.",
        style="bold red",
    )


def as_dictionary(tally: Tally, seconds: float) -> dict[str, Any]:
    """Return the same for programs."""
    counts = tally.counts
    return {
        "deliveries": tally.deliveries,
        "distinct_keys": len(tally.keys),
        "calls": tally.calls,
        "executions": tally.executions,
        "replays": counts[News.REPLAYED],
        "unequal_replays": counts[News.UNEQUAL],
        "in_progress_refusals": counts[News.REFUSED],
        "late_outcomes_refused": counts[News.LOST],
        "abandoned": [
            {"key": kill.key, "killed": kill.moment, "resolved": tally.verdicts.get(kill.key)}
            for kill in tally.kills
        ],
        "effects_per_key": {"min": tally.fewest, "max": tally.most},
        "seconds": round(seconds, 3),
        "exactly_once": tally.holds,
    }

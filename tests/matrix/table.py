"""The table at the end, in Markdown, so that it can be put on a page as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.matrix.running import Outcome

_HEAD: Final = ("cell", "PostgreSQL", "Python", "SQLAlchemy", "outcome", "tests", "seconds")


def table(outcomes: Sequence[Outcome]) -> str:
    """Return one line per cell, in columns."""
    rows = [_HEAD, *map(_row, outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _row(outcome: Outcome) -> tuple[str, ...]:
    versions = outcome.versions or ("", "", "")
    counts = outcome.counts or {}
    said = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    seconds = f"{outcome.seconds:.0f}" if outcome.versions else ""
    return (outcome.cell.name, *versions, outcome.state, said, seconds)

"""The options that several commands share."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

import typer

__all__ = [
    "AsJson",
    "DatabaseUrl",
    "Key",
    "Limit",
    "Schema",
    "User",
    "Workflow",
    "duration",
]

_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="The database; otherwise EXEC_TRACKER_DATABASE_URL, then DATABASE_URL.",
        show_default=False,
    ),
]
Schema = Annotated[
    str | None,
    typer.Option(
        "--schema",
        metavar="NAME",
        help="The schema of the tables, where search_path does not find it.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The execution's id: its idempotency key.")]
Workflow = Annotated[
    str | None, typer.Option("--workflow", metavar="NAME", help="Only of this workflow.")
]
User = Annotated[UUID | None, typer.Option("--user", metavar="UUID", help="Only of this user.")]
Limit = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, max=1000, help="At most so many.")
]


def duration(text: str | timedelta) -> timedelta:
    """Read a duration such as 500ms, 30s, 15m, 12h, 30d or 2w."""
    if isinstance(text, timedelta):
        return text
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise typer.BadParameter(f"{text!r} is no duration: write it as 30s, 15m, 12h or 30d")
    try:
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    except OverflowError:
        raise typer.BadParameter(f"{text!r} is too long") from None

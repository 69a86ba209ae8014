"""Answers and rows without what differs from run to run: times become past, future or absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exec_tracker.models.rows import COLUMN_NAMES
from exec_tracker.snapshots import moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_PLAIN = ("status", "result", "attempt", "fingerprint", "error", "erased_at")


def normal_rows(statement: str, rows: list[Sequence[Any]]) -> Any:
    """Reduce an answer to what a flow's next step can depend on."""
    if rows and isinstance(rows[0][0], list):
        return tuple(_snapshot(dict(zip(COLUMN_NAMES, row, strict=True))) for (row,) in rows)
    if statement == "read_attempts":
        return tuple((row[1], row[6]) for row in rows)
    return tuple(tuple(str(value) for value in row) for row in rows)


def _snapshot(row: dict[str, Any]) -> tuple[Any, ...]:
    now = moment(row["observed_at"])
    plain = tuple(bool(row[name]) if name == "erased_at" else row[name] for name in _PLAIN)
    moments = (row[name] and moment(row[name]) for name in ("lease_expires_at", "retry_at"))
    return (*plain, str(row["claim_token"]), *(when(one, now) for one in moments))


def when(moment: datetime | None, now: datetime) -> str:
    """Say on which side of now a moment lies."""
    if moment is None:
        return "none"
    return "future" if moment > now else "past"

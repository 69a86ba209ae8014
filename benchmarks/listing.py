"""Time the calls that look at many rows: listings, and the purge of the oldest."""

from __future__ import annotations

import time
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID

from benchmarks.contenders.base import USER_ID
from exec_tracker import ExecutionTracker

if TYPE_CHECKING:
    from collections.abc import Callable

_LIMIT: Final = 20
_PURGED: Final = 100
"""Rows to purge in a round, few enough for the smallest table to last."""


class Reader:
    """A tracker on a filled table, which purges a little of it in every round."""

    def __init__(self, url: str, first_at: int) -> None:
        self._tracker = ExecutionTracker(url)
        self._purged_until = first_at
        for listing in self._listings().values():
            listing()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tracker.close()

    def times(self) -> dict[str, float]:
        """Make every call once, and return what each took, in milliseconds."""
        return {what: _timed(call) for what, call in self._listings().items()} | {
            "purge of 100": _timed(self._purge)
        }

    def _listings(self) -> dict[str, Callable[[], Any]]:
        tracker, user = self._tracker, UUID(USER_ID)
        return {
            "recent": lambda: tracker.get_recent_executions(user, limit=_LIMIT),
            "by workflow": lambda: tracker.get_executions_by_workflow("charge", user, limit=_LIMIT),
            "running": lambda: tracker.get_executions_by_status(user, "running", limit=_LIMIT),
            "abandoned": lambda: tracker.find_abandoned(limit=_LIMIT),
        }

    def _purge(self) -> None:
        self._purged_until += _PURGED
        age = time.time() * 1000 - self._purged_until
        self._tracker.purge(timedelta(milliseconds=age))


def _timed(call: Callable[[], Any]) -> float:
    began = perf_counter()
    call()
    return (perf_counter() - began) * 1e3

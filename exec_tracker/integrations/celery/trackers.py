"""Find the tracker of a task: one per process, made when its first delivery arrives."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from exec_tracker.errors import ConfigurationError
from exec_tracker.tracker import ExecutionTracker, get_execution_tracker

if TYPE_CHECKING:
    from collections.abc import Callable

_made: dict[Callable[[], ExecutionTracker], ExecutionTracker] = {}
_lock = threading.Lock()


def check_tracker(given: object) -> None:
    """Raise ConfigurationError for what is neither a tracker nor makes one."""
    if given is not None and not isinstance(given, ExecutionTracker) and not callable(given):
        raise ConfigurationError(
            f"tracker must be an ExecutionTracker or a function that makes one, not {given!r}; "
            "tasks are synchronous, and so is their tracker."
        )


def tracker_of(given: ExecutionTracker | Callable[[], ExecutionTracker] | None) -> ExecutionTracker:
    """Return the tracker itself, what the function has made in this process, or the shared one."""
    if given is None or given is get_execution_tracker:
        return get_execution_tracker()  # it may have been reset since
    if isinstance(given, ExecutionTracker):
        return given
    with _lock:
        if given not in _made:
            _made[given] = given()
        return _made[given]

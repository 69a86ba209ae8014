"""Wait for somebody else's execution to end, by polling: it needs no session and no listener."""

from __future__ import annotations

import random
from time import monotonic
from typing import TYPE_CHECKING

from exec_tracker.errors import TransientStorageError
from exec_tracker.flow import refusals
from exec_tracker.flow.commands import Poll, Sleep
from exec_tracker.types import ExecutionStatus

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from exec_tracker.flow.commands import Command
    from exec_tracker.types import Execution

_SHORTEST = 0.005
_LONGEST = 0.5
# The pause grows with the time waited, so that a short execution's end is noticed within 50 ms
# and a long one costs two reads a second.
_PART_OF_WAITED = 0.15
# What another waiter of this process has read may be so old: then hundreds read less than twice as
# often as one would.
_PART_SHARED = 0.6


def wait_for_ending(execution_id: str, deadline: float) -> Generator[Command, Any, Execution]:
    """Poll until the execution is completed, failed or abandoned, and return its snapshot.

    Raises ExecutionInProgressError at `deadline`, which is on the monotonic clock, and
    ExecutionNotFoundError where it is deleted.
    """
    began = monotonic()
    pause = _SHORTEST
    while True:
        seen = yield from _poll(execution_id, deadline, pause * _PART_SHARED)
        if seen is None:
            raise refusals.vanished(execution_id)
        if seen.is_ended or seen.is_abandoned:
            return seen
        now = monotonic()
        if now >= deadline:
            raise refusals.in_progress(seen)
        pause = _pause(now - began, seen)
        yield Sleep(min(pause, deadline - now), interruptible=True)


def _poll(
    execution_id: str, deadline: float, freshness: float
) -> Generator[Command, Any, Execution | None]:
    """Read once; a database that is away for a moment does not end the wait before its time."""
    while True:
        try:
            seen: Execution | None = yield Poll(execution_id, freshness)
        except TransientStorageError:
            if monotonic() >= deadline:
                raise
            yield Sleep(_LONGEST, interruptible=True)
        else:
            return seen


def _pause(waited: float, seen: Execution) -> float:
    pause = min(max(waited * _PART_OF_WAITED, _SHORTEST), _LONGEST)
    remaining = seen.lease_remaining
    if seen.status is ExecutionStatus.RUNNING and remaining is not None:
        # Look again when the lease ends, if that is sooner.
        pause = min(pause, remaining.total_seconds() + _SHORTEST)
    return pause * random.uniform(0.75, 1.0)  # noqa: S311 # jitter needs no secrecy

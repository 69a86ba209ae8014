"""The same from asyncio, and the longest time for which the event loop was blocked."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from benchmarks.crew import FRESH, REPLAY
from benchmarks.lanes import LaneError, open_lanes
from benchmarks.rounds import interleave
from benchmarks.server import started

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.lanes import Lane
    from benchmarks.options import Options

_NAMES: Final = ["async-tracker", "async-engine", "asyncpg", "asyncpg-plain", "idemkit"]
_TASKS: Final = (1, 8)
_STALL_WINDOWS: Final = 5
_STALL_FACTOR: Final = 5
"""Stalls are looked for in longer windows than rates, since a long one is rare."""


def measure(options: Options, told: Callable[[str], None]) -> dict[str, Any]:
    """Measure rates with one task and with eight, then stalls with eight."""
    with started() as server, ExitStack() as stack:
        lanes, absent = open_lanes(stack, server, options.chosen(_NAMES), max(_TASKS))
        rates, failed = interleave(
            lanes,
            [(kind, tasks) for kind in (FRESH, REPLAY) for tasks in _TASKS],
            rounds=options.rounds,
            seconds=options.seconds,
            told=told,
        )
        stalls = {name: _stalls(lanes[name], options) for name in rates}
        told("looked for stalls")
    return {"rates": rates, "absent": absent | failed, "stalls": stalls}


def _stalls(lane: Lane, options: Options) -> dict[str, Any]:
    seconds = options.seconds * _STALL_FACTOR
    try:
        return {
            kind: [
                lane.ask("stalls", kind=kind, callers=max(_TASKS), seconds=seconds)
                for _ in range(_STALL_WINDOWS)
            ]
            for kind in (FRESH, REPLAY)
        }
    except LaneError as exc:
        return {"error": str(exc)}

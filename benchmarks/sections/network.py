"""The same over a longer line, and which shape of the claim it favours."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from benchmarks.crew import FRESH, REPLAY
from benchmarks.lanes import open_lanes
from benchmarks.rounds import interleave
from benchmarks.server import started
from benchmarks.slow_line import slowed

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.options import Options
    from benchmarks.server import BenchmarkServer

_NAMES: Final = ["tracker", "tracker-engine", "raw", "raw-cte", "raw-function"]
ROUND_TRIPS_MS: Final = (0.0, 0.5, 2.0)
_CELLS: Final = [(FRESH, 1), (REPLAY, 1)]
_ROUNDS: Final = 12
"""Enough at most: latency is steadier than a disk."""


def measure(options: Options, told: Callable[[str], None]) -> dict[str, Any]:
    """Measure with each latency in turn; within one, all contenders take turns."""
    with started() as server:
        return {
            "latencies": {
                f"{latency:g}": _measure(server, latency / 1e3, options, told)
                for latency in ROUND_TRIPS_MS
            }
        }


def _measure(
    server: BenchmarkServer, latency: float, options: Options, told: Callable[[str], None]
) -> dict[str, Any]:
    with ExitStack() as stack:

        def over(url: str) -> str:
            return stack.enter_context(slowed(url, latency)) if latency else url

        lanes, absent = open_lanes(stack, server, options.chosen(_NAMES), 1, over)
        rates, failed = interleave(
            lanes,
            _CELLS,
            rounds=min(options.rounds, _ROUNDS),
            seconds=options.seconds,
            told=told,
        )
    return {"rates": rates, "absent": absent | failed}

"""Many keys per statement, against one by one in the same thread."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from benchmarks.crew import FRESH, REPLAY
from benchmarks.lanes import open_lanes
from benchmarks.rounds import interleave
from benchmarks.server import started

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.options import Options

_NAMES: Final = ["tracker-many", "tracker", "raw"]


def measure(options: Options, told: Callable[[str], None]) -> dict[str, Any]:
    """Measure keys per second of one thread."""
    with started() as server, ExitStack() as stack:
        lanes, absent = open_lanes(stack, server, options.chosen(_NAMES), 1)
        rates, failed = interleave(
            lanes,
            [(FRESH, 1), (REPLAY, 1)],
            rounds=options.rounds,
            seconds=options.seconds,
            told=told,
        )
    return {"rates": rates, "absent": absent | failed}

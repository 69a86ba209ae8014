"""Whether a process grows that runs and runs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from benchmarks.crew import FRESH
from benchmarks.lanes import open_lanes
from benchmarks.server import started

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.options import Options

_CALLERS: Final = 8
_STEPS: Final = 20
_NAMES: Final = ["tracker", "tracker-engine", "async-tracker"]


def measure(options: Options, told: Callable[[str], None]) -> dict[str, Any]:
    """Run many executions in one process each, and note its resident memory along the way."""
    grown: dict[str, list[int]] = {}
    with started() as server, ExitStack() as stack:
        lanes, absent = open_lanes(stack, server, options.chosen(_NAMES), _CALLERS)
        for name, lane in lanes.items():
            answer = lane.ask(
                "grow", kind=FRESH, executions=options.executions, callers=_CALLERS, steps=_STEPS
            )
            grown[name] = answer["kib"]
            told(name)
    return {"kib": grown, "executions": options.executions, "absent": absent}

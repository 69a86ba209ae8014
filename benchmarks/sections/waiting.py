"""Callers who come upon a running key: how long 32 take, and what 500 ask of the database."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import create_engine

from benchmarks.contenders.base import RESULT, USER_ID
from benchmarks.lanes import LaneError, open_lanes
from benchmarks.server import started
from benchmarks.wire import tapped
from exec_tracker import ExecuteOptions, ExecutionTracker, normalise_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.lanes import Lane
    from benchmarks.options import Options
    from benchmarks.server import BenchmarkServer

_NAMES: Final = ["tracker", "async-tracker", "agent-once", "exactly-once", "idemkit", "dbos"]
CALLERS: Final = 32
PAUSE: Final = 0.02
_CROWD: Final = 500
_POOL: Final = 5
_SETTLING: Final = 4.0
_WATCHED: Final = 5.0


def measure(options: Options, told: Callable[[str], None]) -> dict[str, Any]:
    """Measure the few in turn with other libraries, then count for the many and for one."""
    with started() as server, ExitStack() as stack:
        lanes, absent = open_lanes(stack, server, options.chosen(_NAMES), CALLERS)
        seconds = {
            name: _together(lane, name, options.rounds, absent) for name, lane in lanes.items()
        }
        told(f"{CALLERS} callers")
        crowd = {str(size): _crowd(server, size) for size in (1, _CROWD)}
        told(f"{_CROWD} callers")
    return {
        "seconds": {name: rounds for name, rounds in seconds.items() if rounds},
        "absent": absent,
        "crowd": crowd,
    }


def _together(lane: Lane, name: str, rounds: int, absent: dict[str, str]) -> list[float]:
    try:
        answers = [
            lane.ask("together", callers=CALLERS, pause=PAUSE, key=f"together-{name}-{number}")
            for number in range(rounds)
        ]
    except LaneError as exc:
        absent[name] = str(exc)
        return []
    if not all(answer["correct"] for answer in answers):
        absent[name] = "a caller did not get the result"
    return [answer["seconds"] for answer in answers]


def _crowd(server: BenchmarkServer, size: int) -> dict[str, float]:
    """Let `size` threads wait for one execution on a pool of five, and count statements."""
    options = ExecuteOptions(
        idempotency_key=f"crowd-{size}", workflow_id="charge", user_id=UUID(USER_ID)
    )
    go_on = threading.Event()

    def work() -> dict[str, str]:
        go_on.wait()
        return RESULT

    with tapped(server.migrated("executions")) as (url, wire), ThreadPoolExecutor(size + 1) as pool:
        engine = create_engine(normalise_url(url), pool_size=_POOL, max_overflow=0)
        tracker = ExecutionTracker(engine)
        calls = [
            pool.submit(tracker.execute_idempotent, options, work, on_running="wait")
            for _ in range(size + 1)
        ]
        time.sleep(_SETTLING)
        before = wire.seen()
        time.sleep(_WATCHED)
        statements = (wire.seen() - before).statements
        began = time.perf_counter()
        go_on.set()
        right = sum(call.result() == RESULT for call in calls)
        seconds = time.perf_counter() - began
        tracker.close()
        engine.dispose()
    return {
        "waiters": size,
        "answered": right - 1,
        "statements_per_second": statements / _WATCHED,
        "seconds_after_the_end": seconds,
    }

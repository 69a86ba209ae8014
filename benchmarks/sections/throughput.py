"""Executions per second, fresh and replayed, next to the driver, SQLAlchemy and other libraries."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from benchmarks import pgbench
from benchmarks.crew import FRESH, REPLAY
from benchmarks.lanes import LaneError, open_lanes
from benchmarks.rounds import interleave
from benchmarks.server import started

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.options import Options

NAMES: Final = [
    "tracker",
    "tracker-engine",
    "tracker-parameters",
    "raw",
    "sqlalchemy",
    "orm",
    "agent-once",
    "exactly-once",
    "idemkit",
    "dbos",
    "dbos-step",
    "absurd",
]
THREADS: Final = (1, 8)


def fresh(options: Options, told: Callable[[str], None]) -> dict[str, Any]:
    """Measure executions whose keys are new."""
    return _measure(FRESH, options, told)


def replay(options: Options, told: Callable[[str], None]) -> dict[str, Any]:
    """Measure calls whose keys have a result."""
    return _measure(REPLAY, options, told)


def _measure(kind: str, options: Options, told: Callable[[str], None]) -> dict[str, Any]:
    with started() as server, ExitStack() as stack:
        lanes, absent = open_lanes(stack, server, options.chosen(NAMES), max(THREADS))
        everybody: dict[str, Any] = dict(lanes)
        try:
            limit = pgbench.PgBench(server.migrated("executions"))
            everybody[pgbench.NAME] = stack.enter_context(limit)
        except LaneError as exc:
            absent[pgbench.NAME] = str(exc)
        rates, failed = interleave(
            everybody,
            [(kind, threads) for threads in THREADS],
            rounds=options.rounds,
            seconds=options.seconds,
            told=told,
        )
    return {"rates": rates, "absent": absent | failed}

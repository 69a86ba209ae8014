"""One renewal of ten thousand leases, as the server's log has timed it, commit included."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from benchmarks.contenders.trackers import LEASE
from benchmarks.crew import FRESH
from benchmarks.lanes import Lane
from benchmarks.server import run, started, value

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.options import Options
    from benchmarks.server import BenchmarkServer

_LEASES: Final = 10_000
_CALLERS: Final = 8
_DURATION: Final = re.compile(
    r"duration: ([\d.]+) ms  (?:statement|execute [^:]*): (.*?)(?=^\d{4}-\d\d-\d\d |\Z)",
    re.DOTALL | re.MULTILINE,
)
_RENEWED_FROM: Final = "SELECT min(lease_expires_at)::text FROM workflow_executions"


def measure(_options: Options, told: Callable[[str], None]) -> dict[str, Any]:
    """Hold leases in one process, wait for two renewals, and read what they took from the log."""
    with started() as server, ExitStack() as stack:
        url = server.migrated("executions")
        lane = stack.enter_context(Lane("tracker-leases"))
        lane.ask("open", url=url, callers=_CALLERS)
        lane.ask("grow", kind=FRESH, executions=_LEASES, callers=_CALLERS, steps=1)
        told(f"holding {_LEASES} leases")
        run(url, "ALTER SYSTEM SET log_min_duration_statement = 0")
        run(url, "SELECT pg_reload_conf()")
        for _ in range(2):
            _wait_for_renewal(url)
            told("renewed")
        return {"renewals": _renewals(server, f"{lane.pid:012x}")}


def _wait_for_renewal(url: str) -> None:
    before = value(url, _RENEWED_FROM)
    deadline = time.monotonic() + LEASE.total_seconds()
    while value(url, _RENEWED_FROM) == before:
        if time.monotonic() > deadline:
            raise RuntimeError("no renewal came within a lease")
        time.sleep(0.2)


def _renewals(server: BenchmarkServer, marker: str) -> list[dict[str, float]]:
    """Return every statement that named leases of the process: how many, and how long it took."""
    return [
        {"ms": float(milliseconds), "leases": statement.count(marker)}
        for milliseconds, statement in _DURATION.findall(server.log())
        if marker in statement
    ]

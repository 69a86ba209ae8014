"""What one execution sends, commits, flushes and writes, counted on an otherwise idle server."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from benchmarks.contenders import ENTRIES
from benchmarks.crew import FRESH, REPLAY
from benchmarks.environments import NotInstallableError
from benchmarks.lanes import Lane, LaneError
from benchmarks.sections import throughput
from benchmarks.server import run, started, value, wait_until_alone
from benchmarks.wire import tapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.options import Options
    from benchmarks.server import BenchmarkServer

_CALLS: Final = 200
_WARM_UP: Final = 20
_QUIET: Final = {"autovacuum": "off", "checkpoint_timeout": "1h"}
_NAMES: Final = [*throughput.NAMES, "async-tracker", "async-engine", "asyncpg", "asyncpg-plain"]


def measure(options: Options, told: Callable[[str], None]) -> dict[str, Any]:
    """Count for every contender, one at a time."""
    counts: dict[str, Any] = {}
    absent: dict[str, str] = {}
    with started(_QUIET) as server:
        for name in options.chosen(_NAMES):
            try:
                counts[name] = {kind: _count(server, name, kind) for kind in (FRESH, REPLAY)}
            except (LaneError, NotInstallableError) as exc:
                absent[name] = str(exc)
            told(name)
    return {"counts": counts, "absent": absent, "calls": _CALLS}


def _count(server: BenchmarkServer, name: str, kind: str) -> dict[str, float]:
    """Count over many calls, less what opening, warming up and closing count without them.

    The server's own counters are read with the contender gone, for only then has every session
    handed in what it counted.
    """
    without = _session(server, name, kind, 0)
    with_calls = _session(server, name, kind, _CALLS)
    return {what: (with_calls[what] - without[what]) / _CALLS for what in with_calls}


def _session(server: BenchmarkServer, name: str, kind: str, calls: int) -> dict[str, float]:
    entry = ENTRIES[name]
    url = server.database_for(entry)
    with ExitStack() as stack:
        over_wire, wire = stack.enter_context(tapped(url))
        lane = Lane(name)
        stack.callback(lane.close)
        lane.ask("open", url=over_wire, callers=1)
        lane.ask("calls", kind=kind, times=_WARM_UP)
        before, seen = _server_counts(url), wire.seen()
        if calls:
            lane.ask("calls", kind=kind, times=calls)
        traffic, written = wire.seen() - seen, _server_counts(url)["wal_bytes"]
    wait_until_alone(url)
    after = _server_counts(url)
    return {
        "statements": traffic.statements,
        "round_trips": traffic.round_trips,
        "commits": traffic.commits,
        "wal_bytes": written - before["wal_bytes"],
        "flushes": after["flushes"] - before["flushes"],
    }


_FLUSHES_IN_PG_STAT_IO = 180000


def _server_counts(url: str) -> dict[str, float]:
    """Read what the server has counted; since version 18 flushes are in pg_stat_io."""
    flushes = "SELECT wal_sync FROM pg_stat_wal"
    version = value(url, "SELECT current_setting('server_version_num')::integer")
    if version >= _FLUSHES_IN_PG_STAT_IO:
        flushes = "SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'"
    run(url, "SELECT pg_stat_clear_snapshot()")
    written = value(url, "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
    return {"flushes": float(value(url, flushes)), "wal_bytes": float(written)}

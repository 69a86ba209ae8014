"""What executions write: WAL bytes and HOT updates under several sets of indexes; table sizes."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.crew import FRESH
from benchmarks.lanes import Lane
from benchmarks.server import run, value, wait_until_alone

_INDEXES: Final = "idx_workflow_executions_"
_SECONDARY: Final = ("user_id", "workflow_id", "status", "created_at")
_SETS: Final = {
    "all": _SECONDARY,
    "without the status index": ("user_id", "workflow_id", "created_at"),
    "status index only": ("status",),
    "primary key only": (),
}

_LSN: Final = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"
_UPDATES: Final = """
SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'workflow_executions'"""


def written(url: str, style: str, executions: int) -> dict[str, float]:
    """Return WAL bytes per execution and the share of HOT updates, from a checkpoint on.

    The first change of a page after a checkpoint writes all of it, so that the figure depends on
    how many executions follow: with keys in time order they share pages.
    """
    run(url, "CHECKPOINT")
    (updates, hot), start = run(url, _UPDATES)[0], value(url, _LSN)
    lane = Lane("tracker")
    try:
        lane.ask("open", url=url, callers=1, style=style)
        opened = value(url, _LSN)
        # Opening has run some executions for the keys that are replayed; they are not counted.
        lane.ask("calls", kind=FRESH, times=executions)
        end = value(url, _LSN)
    finally:
        lane.close()
    wait_until_alone(url)
    updates_after, hot_after = run(url, _UPDATES)[0]
    return {
        "executions": executions,
        "wal_bytes": (end - opened) / executions,
        "wal_bytes_opening": opened - start,
        "hot_share": (hot_after - hot) / max(updates_after - updates, 1),
    }


def index_sets(url: str, style: str, executions: int) -> dict[str, dict[str, float]]:
    """Return the same with some indexes dropped; all of them are back afterwards."""
    definitions = dict(
        run(
            url,
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'workflow_executions'"
            " AND starts_with(indexname, %s)",
            _INDEXES,
        )
    )
    found = {}
    for name, kept in _SETS.items():
        wanted = {_INDEXES + one for one in kept}
        for index in definitions.keys() - wanted:
            run(url, f"DROP INDEX IF EXISTS {index}")
        found[name] = written(url, style, executions)
        for index in definitions.keys() - wanted:
            run(url, definitions[index])
    return found


def table_size(url: str) -> dict[str, Any]:
    """Return how many bytes a row takes, in the table and in its indexes."""
    query = (
        "SELECT pg_relation_size('workflow_executions'), pg_indexes_size('workflow_executions'),"
        " (SELECT count(*) FROM workflow_executions)"
    )
    ((heap, indexes, rows),) = run(url, query)
    return {"rows": rows, "heap_per_row": heap / rows, "indexes_per_row": indexes / rows}

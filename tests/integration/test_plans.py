"""Every listing is one ordered index scan, however large the table is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, create_engine, event, text

from exec_tracker import Execution, ExecutionTracker
from exec_tracker.statements import PURGE_BATCH, render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exec_tracker.testing.throwaway import ThrowawayDatabases

ROWS = 1_000_000
USERS = 100

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def crowded(throwaway_databases: ThrowawayDatabases, migrated_template: str) -> Iterator[Engine]:
    with throwaway_databases.database_url(migrated_template) as url:
        yield from filled(url)


def filled(database_url: str) -> Iterator[Engine]:
    """Fill a table with completed executions, and a few that are not."""
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg2://"))
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO auth.users SELECT gen_random_uuid() FROM generate_series(1, :n)"),
            {"n": USERS},
        )
        connection.execute(
            text(
                """
                INSERT INTO workflow_executions
                       (id, workflow_id, user_id, status, created_at, started_at, completed_at,
                        attempt, lease_expires_at, error)
                SELECT 'k' || n, 'w' || n / :users % 20, u.id,
                       CASE WHEN n % 5000 = 0 THEN 'running' WHEN n % 5000 = 1 THEN 'failed'
                            ELSE 'completed' END,
                       now() - n * interval '1 second', now(),
                       CASE WHEN n % 5000 > 0 THEN now() - n * interval '1 second' END, 1,
                       CASE WHEN n % 5000 = 0 THEN now() END,
                       CASE WHEN n % 5000 = 1 THEN '{"retryable": true}'::jsonb END
                  FROM generate_series(1, :rows) AS n
                  JOIN (SELECT id, row_number() OVER () AS k FROM auth.users) AS u
                    ON u.k = n % :users + 1
                """
            ),
            {"rows": ROWS, "users": USERS},
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE workflow_executions"))
    yield engine
    engine.dispose()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def plan_of(engine: Engine, call: Callable[[], object]) -> list[dict[str, Any]]:
    """Return the nodes of the plan of the one statement that a call sends, but for a setting."""
    sent: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "set_config" not in statement:
            sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    call()
    event.remove(engine, "before_cursor_execute", note)
    ((statement, parameters),) = sent
    with engine.connect() as connection:
        explain = "EXPLAIN (ANALYZE, FORMAT JSON) " + statement
        answer = connection.exec_driver_sql(explain, parameters).scalar_one()
    plans = json.loads(answer) if isinstance(answer, str) else answer
    return list(nodes(plans[0]["Plan"]))


def a_user(engine: Engine) -> UUID:
    with engine.connect() as connection:
        return UUID(str(connection.execute(text("SELECT id FROM auth.users LIMIT 1")).scalar_one()))


def test_every_listing_is_an_ordered_index_scan_that_reads_what_it_returns(
    crowded: Engine,
) -> None:
    tracker = ExecutionTracker(crowded)
    user = a_user(crowded)
    (last,) = tracker.get_recent_executions(user, limit=1)
    listings: dict[str, Callable[[], list[Execution]]] = {
        "recent": lambda: tracker.get_recent_executions(user, limit=50),
        "recent, next page": lambda: tracker.get_recent_executions(user, limit=50, before=last),
        "workflow": lambda: tracker.get_executions_by_workflow("w1", user, limit=50),
        "failed": lambda: tracker.get_executions_by_status(user, "failed", limit=50),
        "running": lambda: tracker.get_executions_by_status(user, "running", limit=50),
        "everybody's": lambda: tracker.list_executions(limit=50),
    }
    for name, listing in listings.items():
        plan = plan_of(crowded, listing)
        kinds = {node["Node Type"] for node in plan}
        assert not kinds & {"Seq Scan", "Parallel Seq Scan", "Gather"}, (name, kinds)
        read = max(node["Actual Rows"] * node["Actual Loops"] for node in plan)
        discarded = sum(node.get("Rows Removed by Filter", 0) for node in plan)
        assert read + discarded <= 1_100, (name, read, discarded)
    for name in ("recent", "recent, next page", "workflow", "everybody's"):
        kinds = {node["Node Type"] for node in plan_of(crowded, listings[name])}
        assert "Sort" not in kinds, (name, kinds)


def test_finding_the_abandoned_reads_only_what_runs_or_is_unknown(crowded: Engine) -> None:
    tracker = ExecutionTracker(crowded)
    running, limit = ROWS // 5000, 50
    for call in (
        lambda: tracker.find_abandoned(limit=limit),
        lambda: tracker.count_abandoned(limit=limit),
    ):
        plan = plan_of(crowded, call)
        kinds = {node["Node Type"] for node in plan}
        assert not kinds & {"Seq Scan", "Parallel Seq Scan", "Gather"}, kinds
        read = sum(
            node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
            for node in plan
            if node["Node Type"].startswith(("Index", "Bitmap Heap"))
        )
        assert read <= 2 * running + 2 * limit
        assert "idx_workflow_executions_unknown" in {node.get("Index Name") for node in plan}


def test_a_purge_reads_what_it_deletes_also_where_that_is_less_than_a_batch(
    crowded: Engine,
) -> None:
    purge = render(PURGE_BATCH, crowded.dialect, None)
    arguments = purge.arguments(
        {"older_than": ROWS - 500.0, "statuses": ["completed"], "batch_size": 1000}
    )
    with crowded.connect() as connection:  # rolled back: the rows stay
        explain = "EXPLAIN (ANALYZE, FORMAT JSON) " + purge.sql
        answer = connection.exec_driver_sql(explain, arguments).scalar_one()
    plans = json.loads(answer) if isinstance(answer, str) else answer
    scans = [node for node in nodes(plans[0]["Plan"]) if "Index Scan" in node["Node Type"]]
    read = sum(
        node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
        for node in scans
    )
    assert 0 < read < ROWS / 100, read

"""The functions of the schema on a table that grows, and that its host changes under them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from exec_tracker import migrations
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from exec_tracker import ExecutionTracker
    from tests.support.database import Database
    from tests.support.fixtures import NewSubject
    from tests.support.subjects import Subject

ENOUGH_TO_KEEP_A_PLAN = 12
CLAIM = """
SELECT * FROM claim_workflow_execution_v1(
    'k', 'w', NULL, gen_random_uuid(), NULL, NULL, NULL, NULL, gen_random_uuid(), NULL, 60, '2s')
"""
COMPLETE = "SELECT * FROM complete_workflow_execution_v1('k', gen_random_uuid(), '1', '2s')"
SCANS = """
SELECT seq_scan, idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'workflow_executions'
"""


@pytest.fixture
def cursor(database: Database) -> Iterator[Any]:
    with contextlib.closing(psycopg2.connect(database.url)) as connection:
        yield connection.cursor()


@pytest.mark.parametrize("call", [CLAIM, COMPLETE], ids=["claim", "complete"])
def test_a_plan_that_was_made_for_a_few_rows_reads_no_more_when_there_are_many(
    tracker: ExecutionTracker, user_id: UUID, database: Database, cursor: Any, call: str
) -> None:
    """It is kept with the connection until the table is analysed again."""
    tracker.execute(options("k", user_id), Calls())
    database.run("ANALYZE workflow_executions")
    for _ in range(ENOUGH_TO_KEEP_A_PLAN):
        cursor.execute(call)
    cursor.execute(SCANS)
    sequential, by_index = cursor.fetchone()
    assert sequential == 0
    assert by_index >= ENOUGH_TO_KEEP_A_PLAN


def run_many(subject: Subject, user_id: UUID, name: str) -> None:
    asked = [options(f"{name}-{n}", user_id) for n in range(ENOUGH_TO_KEEP_A_PLAN)]
    for one in asked * 2:
        assert subject.execute_idempotent(one, Calls("done")) == "done"
    assert [one.data for one in subject.execute_many(asked, Calls())] == ["done"] * len(asked)


@pytest.mark.parametrize("own_engine", [False, True], ids=["host engine", "url"])
def test_a_table_may_change_while_connections_keep_their_plans(
    new_subject: NewSubject, user_id: UUID, database: Database, *, own_engine: bool
) -> None:
    subject = new_subject(own_engine=own_engine)
    run_many(subject, user_id, "before")
    database.run("ALTER TABLE workflow_executions ADD COLUMN tenant text NOT NULL DEFAULT 'us'")
    run_many(subject, user_id, "a column more")
    database.run('ALTER TABLE workflow_executions ALTER COLUMN workflow_name TYPE text COLLATE "C"')
    run_many(subject, user_id, "rewritten")
    database.run("ALTER TABLE workflow_executions DROP COLUMN tenant")
    database.run("DROP INDEX idx_workflow_executions_created_at")
    run_many(subject, user_id, "a column less")
    migrations.downgrade(database.url, "0006_exec_tracker_trace")
    migrations.upgrade(database.url)
    run_many(subject, user_id, "other functions")


def test_a_host_may_add_columns_that_are_called_like_parameters(
    tracker: ExecutionTracker, user_id: UUID, database: Database
) -> None:
    names = database.value(
        "SELECT array_agg(DISTINCT name) FROM pg_proc, unnest(proargnames) AS name"
        " WHERE proname LIKE '%_workflow_execution_v1'"
    )
    assert len(names) > 10
    for name in (*names, "standing"):  # which is their variable
        database.run(f"ALTER TABLE workflow_executions ADD COLUMN {name} text")
    assert tracker.execute_idempotent(options("k", user_id), Calls("mine")) == "mine"
    assert tracker.execute(options("k", user_id), Calls("again")).cached


def test_another_function_of_the_same_name_does_not_hide_ours(
    tracker: ExecutionTracker, user_id: UUID, database: Database
) -> None:
    database.run(
        "CREATE FUNCTION claim_workflow_execution_v1(text) RETURNS text LANGUAGE sql AS 'SELECT $1'"
    )
    assert tracker.execute_idempotent(options("k", user_id), Calls("mine")) == "mine"

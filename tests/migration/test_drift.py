"""Each way in which a database can drift from head is seen, and named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from exec_tracker import migrations
from exec_tracker.settings import normalise_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def head(database_url: str) -> Iterator[Engine]:
    engine = create_engine(normalise_url(database_url))
    yield engine
    engine.dispose()


DRIFTS = {
    "row security off": (
        "ALTER TABLE workflow_executions DISABLE ROW LEVEL SECURITY",
        ("row security", "workflow_executions"),
    ),
    "row security forced": (
        "ALTER TABLE workflow_execution_attempts FORCE ROW LEVEL SECURITY",
        ("row security", "workflow_execution_attempts"),
    ),
    "row security off on the version table": (
        "ALTER TABLE exec_tracker_alembic_version DISABLE ROW LEVEL SECURITY",
        ("row security", "exec_tracker_alembic_version"),
    ),
    "policy dropped": (
        'DROP POLICY "Users can view own executions" ON workflow_executions',
        ("policy", 'workflow_executions "Users can view own executions"'),
    ),
    "policy rewritten": (
        'ALTER POLICY "Users can view own executions" ON workflow_executions USING (true)',
        ("policy", 'workflow_executions "Users can view own executions"'),
    ),
    "policy for everybody": (
        'ALTER POLICY "Service role full access" ON workflow_executions TO PUBLIC',
        ("policy", 'workflow_executions "Service role full access"'),
    ),
    "policy added": (
        "CREATE POLICY everybody ON workflow_executions FOR SELECT TO anon USING (true)",
        ("policy", "workflow_executions everybody"),
    ),
    "trigger disabled": (
        "ALTER TABLE workflow_executions DISABLE TRIGGER workflow_executions_guard",
        ("trigger", "workflow_executions workflow_executions_guard"),
    ),
    "trigger dropped": (
        "DROP TRIGGER workflow_executions_updated_at ON workflow_executions",
        ("trigger", "workflow_executions workflow_executions_updated_at"),
    ),
    "trigger with another condition": (
        (
            "DROP TRIGGER workflow_executions_guard ON workflow_executions; "
            "CREATE TRIGGER workflow_executions_guard AFTER UPDATE ON workflow_executions "
            "FOR EACH ROW WHEN (OLD.status = 'completed') "
            "EXECUTE FUNCTION guard_workflow_execution()"
        ),
        ("trigger", "workflow_executions workflow_executions_guard"),
    ),
    "foreign key not enforced": (
        "ALTER TABLE workflow_execution_attempts DISABLE TRIGGER ALL",
        ("foreign key triggers", "workflow_execution_attempts"),
    ),
    "search path of a function reset": (
        "ALTER FUNCTION guard_workflow_execution() RESET search_path",
        ("function", "guard_workflow_execution()"),
    ),
    "function with another body": (
        (
            "CREATE OR REPLACE FUNCTION guard_workflow_execution() RETURNS trigger "
            "LANGUAGE plpgsql SET search_path = '' AS 'BEGIN RETURN NULL; END'"
        ),
        ("function", "guard_workflow_execution()"),
    ),
    "function as its definer": (
        "ALTER FUNCTION update_workflow_execution_updated_at() SECURITY DEFINER",
        ("function", "update_workflow_execution_updated_at()"),
    ),
    "function for everybody": (
        "GRANT EXECUTE ON FUNCTION guard_workflow_execution() TO PUBLIC",
        ("grant", "function guard_workflow_execution() to public"),
    ),
    "grant to anon": (
        "GRANT SELECT ON workflow_executions TO anon",
        ("grant", "table workflow_executions to anon"),
    ),
    "grant of the history to users": (
        "GRANT SELECT ON workflow_execution_attempts TO authenticated",
        ("grant", "table workflow_execution_attempts to authenticated"),
    ),
    "grant of one column": (
        "GRANT UPDATE (status) ON workflow_executions TO authenticated",
        ("grant", "column workflow_executions.status to authenticated"),
    ),
    "grant to truncate": (
        "GRANT TRUNCATE ON workflow_executions TO service_role",
        ("grant", "table workflow_executions to service_role"),
    ),
    "grant revoked": (
        "REVOKE SELECT ON workflow_executions FROM authenticated",
        ("grant", "table workflow_executions to authenticated"),
    ),
    "grant on the sequence": (
        "GRANT USAGE ON SEQUENCE workflow_execution_attempts_id_seq TO anon",
        ("grant", "sequence workflow_execution_attempts_id_seq to anon"),
    ),
    "grant on the version table": (
        "GRANT ALL ON exec_tracker_alembic_version TO authenticated",
        ("grant", "table exec_tracker_alembic_version to authenticated"),
    ),
    "check with another list": (
        (
            "ALTER TABLE workflow_executions DROP CONSTRAINT workflow_executions_status_check, "
            "ADD CONSTRAINT workflow_executions_status_check CHECK (status <> '')"
        ),
        ("constraint", "workflow_executions workflow_executions_status_check"),
    ),
    "check not validated": (
        (
            "ALTER TABLE workflow_executions DROP CONSTRAINT workflow_executions_actor_check, "
            "ADD CONSTRAINT workflow_executions_actor_check "
            "CHECK (actor IN ('user', 'ai_assistant', 'system', 'webhook')) NOT VALID"
        ),
        ("constraint", "workflow_executions workflow_executions_actor_check"),
    ),
    "foreign key without cascade": (
        (
            "ALTER TABLE workflow_executions DROP CONSTRAINT workflow_executions_user_id_fkey, "
            "ADD CONSTRAINT workflow_executions_user_id_fkey "
            "FOREIGN KEY (user_id) REFERENCES auth.users (id)"
        ),
        ("constraint", "workflow_executions workflow_executions_user_id_fkey"),
    ),
    "index dropped": (
        "DROP INDEX idx_workflow_executions_user_id",
        ("index", "idx_workflow_executions_user_id"),
    ),
    "index with another predicate": (
        (
            "DROP INDEX idx_workflow_executions_status; "
            "CREATE INDEX idx_workflow_executions_status ON workflow_executions "
            "(status, user_id, created_at DESC, id DESC) WHERE status = 'failed'"
        ),
        ("index", "idx_workflow_executions_status"),
    ),
    "index invalid": (
        (
            "UPDATE pg_index SET indisvalid = false "
            "WHERE indexrelid = 'idx_workflow_executions_workflow_id'::regclass"
        ),
        ("index", "idx_workflow_executions_workflow_id"),
    ),
    "rule that swallows writes": (
        "CREATE RULE quiet AS ON DELETE TO workflow_executions DO INSTEAD NOTHING",
        ("rule", "workflow_executions quiet"),
    ),
    "unlogged": (
        "ALTER TABLE workflow_execution_attempts SET UNLOGGED",
        ("storage", "workflow_execution_attempts"),
    ),
    "comment that old libraries heed": (
        "COMMENT ON TABLE workflow_execution_attempts IS 'Needs library protocol 99.'",
        ("comment", "workflow_execution_attempts"),
    ),
    "column dropped": (
        "ALTER TABLE workflow_executions DROP COLUMN retry_at",
        ("column", "workflow_executions.retry_at"),
    ),
    "column of another type": (
        "ALTER TABLE workflow_executions ALTER COLUMN claimed_by TYPE varchar(10)",
        ("column", "workflow_executions.claimed_by"),
    ),
    "column that may be null": (
        "ALTER TABLE workflow_executions ALTER COLUMN workflow_id DROP NOT NULL",
        ("column", "workflow_executions.workflow_id"),
    ),
    "default dropped": (
        "ALTER TABLE workflow_executions ALTER COLUMN created_at DROP DEFAULT",
        ("column", "workflow_executions.created_at"),
    ),
    "table dropped": (
        "DROP TABLE workflow_execution_attempts",
        ("table", "workflow_execution_attempts"),
    ),
}


def test_a_database_at_head_has_not_drifted(database_url: str) -> None:
    assert migrations.check(database_url) == []


@pytest.mark.parametrize("what", DRIFTS)
def test_a_drift_is_seen_and_named(head: Engine, what: str) -> None:
    statements, expected = DRIFTS[what]
    with head.begin() as connection:
        connection.exec_driver_sql("SET allow_system_table_mods = on")
        connection.exec_driver_sql(statements)
    drifts = migrations.check(head)
    assert expected in {(drift.kind, drift.name) for drift in drifts}
    others = {(drift.kind, drift.name) for drift in drifts if _about(drift, expected[1])}
    assert others == set() or what == "table dropped"


def _about(drift: migrations.Drift, name: str) -> bool:
    """Tell whether a drift is about something else, but for a comment that left with its column."""
    return drift.name != name and drift.kind not in {"comment", "foreign key triggers"}


def test_what_the_host_adds_is_no_drift(head: Engine) -> None:
    with head.begin() as connection:
        for statement in (
            "ALTER TABLE workflow_executions ADD COLUMN tenant text",
            "CREATE INDEX theirs ON workflow_executions (tenant)",
            "CREATE ROLE exec_tracker_reporting",
            "GRANT SELECT ON workflow_executions TO exec_tracker_reporting",
            "CREATE TABLE theirs_too (id text REFERENCES workflow_executions)",
            (
                "CREATE TRIGGER theirs BEFORE UPDATE ON workflow_executions FOR EACH ROW "
                "EXECUTE FUNCTION suppress_redundant_updates_trigger()"
            ),
        ):
            connection.execute(text(statement))
    try:
        assert migrations.check(head) == []
    finally:
        with head.begin() as connection:
            connection.execute(text("DROP OWNED BY exec_tracker_reporting"))
            connection.execute(text("DROP ROLE exec_tracker_reporting"))


def test_an_empty_database_lacks_both_tables(empty_database_url: str) -> None:
    drifts = migrations.check(empty_database_url)
    assert [str(drift) for drift in drifts] == [
        "table workflow_executions: missing, should be: as in the models",
        "table workflow_execution_attempts: missing, should be: as in the models",
    ]


def test_the_search_path_of_the_asking_role_makes_no_difference(head: Engine) -> None:
    with head.begin() as connection:
        connection.execute(text("SET LOCAL search_path = auth, public"))
        assert migrations.check(connection) == []
        assert connection.scalar(text("SHOW search_path")) == "auth, public"


def test_alembic_check_tells_of_a_drift_that_stock_alembic_does_not_see(
    head: Engine, database_url: str
) -> None:
    with head.begin() as connection:
        connection.execute(text(DRIFTS["policy for everybody"][0]))
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "check"],
        cwd=ROOT,
        env={**os.environ, "EXEC_TRACKER_DATABASE_URL": database_url, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "Service role full access" in done.stdout + done.stderr

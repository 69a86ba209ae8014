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
from tests.migration.drifts import DRIFTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def head(database_url: str) -> Iterator[Engine]:
    engine = create_engine(normalise_url(database_url))
    yield engine
    engine.dispose()


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
    assert others == set() or what in {"table dropped", "function of the protocol dropped"}


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

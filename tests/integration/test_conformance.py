"""Where the guarantees hold, every check of the conformance suite says so, and leaves no trace."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from exec_tracker import (
    ConfigurationError,
    ExecutionTracker,
    MigrationRequiredError,
    StorageError,
    migrations,
    normalise_url,
)
from exec_tracker.testing import conformance
from tests.integration.cli_support import CommandLine
from tests.support.executors import Calls, options
from tests.support.pgbouncer import pgbouncer, program

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from tests.support.database import Database

# The tests' servers are made to be quick, and not to survive a crash.
DURABLE = os.environ.get("EXEC_TRACKER_TEST_FSYNC", "off") == "on"
UNDURABLE: frozenset[str] = frozenset() if DURABLE else frozenset({"durable"})
QUICK = ("one-runs", "final", "fence")
BRIEFLY = UNDURABLE | {"lease", "heartbeat", "lock-bound"}  # these three take most of the time
HOUR = timedelta(hours=1)


def troubles(verdicts: Iterable[conformance.Verdict]) -> list[conformance.Verdict]:
    return [one for one in verdicts if one.outcome != conformance.Outcome.OK]


def test_every_guarantee_holds_here(database_url: str) -> None:
    verdicts = list(conformance.run(database_url, skip=UNDURABLE))
    assert troubles(verdicts) == []
    tried = [one.check for one in verdicts]
    assert tried == [n for n in conformance.CHECK_NAMES if n not in UNDURABLE] + ["clean-up"]


@pytest.mark.skipif(program() is None, reason="pgbouncer is not installed")
@pytest.mark.parametrize(
    ("driver", "skip"),
    [("postgresql+psycopg2", UNDURABLE), ("postgresql+psycopg", BRIEFLY)],
)
def test_every_guarantee_holds_behind_a_transaction_pooler(
    database_url: str, driver: str, skip: frozenset[str]
) -> None:
    with pgbouncer(database_url) as pooled:
        url = make_url(pooled).set(drivername=driver)
        assert troubles(conformance.run(url, skip=skip)) == []


def test_it_works_in_a_schema_of_its_own_with_a_user_who_is_told(
    empty_database_url: str,
) -> None:
    migrations.upgrade(empty_database_url, schema="tracking")
    with ExecutionTracker(empty_database_url, schema="tracking") as tracker:
        tracker.ensure_user(user_id := uuid4())
    engine = create_engine(normalise_url(empty_database_url), pool_size=12)
    try:
        verdicts = conformance.run(engine, user_id=user_id, schema="tracking", skip=BRIEFLY)
        assert troubles(verdicts) == []
    finally:
        engine.dispose()


def test_it_touches_no_other_row_and_leaves_none(
    database_url: str, database: Database, user_id: UUID
) -> None:
    with ExecutionTracker(database_url) as tracker:
        tracker.execute(options("done", user_id), Calls())
        tracker.create_execution(options("running", user_id))
        tracker.mark_running("running", HOUR)
        with pytest.raises(ValueError, match="no"):
            tracker.execute(options("failed", user_id), Calls(raises=ValueError("no")))

    def everything() -> list[dict[str, Any]]:
        tables = ("workflow_executions", "workflow_execution_attempts", "auth.users")
        return [row for one in tables for row in database.all(f"SELECT * FROM {one} ORDER BY id")]

    before = everything()
    list(conformance.run(database_url, skip=BRIEFLY))
    assert everything() == before


def test_it_cleans_up_where_it_is_left_early(database_url: str, database: Database) -> None:
    running = conformance.run(database_url, only=["one-runs", "final"])
    next(running)
    assert database.value("SELECT count(*) FROM workflow_executions") > 0
    running.close()
    assert database.value("SELECT count(*) FROM workflow_executions") == 0
    assert database.value("SELECT count(*) FROM auth.users") == 0


def test_a_user_who_is_told_stays(database_url: str, database: Database, user_id: UUID) -> None:
    list(conformance.run(database_url, user_id=user_id, only=["final"]))
    assert database.value("SELECT count(*) FROM auth.users WHERE id = %s", str(user_id)) == 1


def test_where_users_are_somebody_elses_one_must_be_told(
    database_url: str, database: Database
) -> None:
    database.run("COMMENT ON SCHEMA auth IS NULL")
    with pytest.raises(ConfigurationError, match=r"users of its own in auth\.users"):
        next(conformance.run(database_url))


def test_without_a_server_nothing_is_tried() -> None:
    with pytest.raises(StorageError, match="cannot be reached"):
        next(conformance.run("postgresql://nobody@127.0.0.1:1/nowhere"))


def test_without_the_schema_nothing_is_tried(empty_database_url: str) -> None:
    with pytest.raises(MigrationRequiredError):
        next(conformance.run(empty_database_url))


@pytest.mark.parametrize("asked", [{"only": ["nine"]}, {"skip": ["nine"]}, {"connections": 1}])
def test_what_cannot_be_meant_is_refused(database_url: str, asked: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        next(conformance.run(database_url, **asked))


def test_the_command_prints_a_verdict_a_line(database_url: str) -> None:
    chosen = [argument for name in QUICK for argument in ("--only", name)]
    answer = CommandLine(database_url)("conformance", *chosen)
    lines = answer.text.splitlines()
    assert (answer.status, len(lines)) == (0, len(QUICK) + 1)
    assert all(line.startswith("ok  ") for line in lines)
    assert "4 checks hold, 0 do not, 0 were not tried" in answer.err


def test_the_command_fails_where_a_guarantee_does_not_hold(
    database_url: str, database: Database
) -> None:
    database.run("ALTER TABLE workflow_executions DISABLE TRIGGER workflow_executions_guard")
    answer = CommandLine(database_url)("conformance", "--only", "final", "--json")
    assert answer.status == 1
    assert [one["outcome"] for one in answer.json] == ["FAILED", "ok"]
    assert "status was not refused" in answer.json[0]["detail"]
    said = CommandLine(database_url)("conformance", "--only", "final").text
    assert said.splitlines()[0].startswith("FAILED")


def test_the_command_names_the_checks_where_one_is_unknown(database_url: str) -> None:
    answer = CommandLine(database_url)("conformance", "--skip", "nine")
    assert answer.status == 78
    assert "there is no check 'nine'; there are one-runs, " in answer.err


def test_it_needs_no_pytest() -> None:
    without = (
        "import sys; sys.modules['pytest'] = None; from exec_tracker.testing import conformance"
    )
    code = f"{without}; print(conformance.CHECK_NAMES[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "one-runs\n"

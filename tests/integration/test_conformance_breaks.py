"""Where a guarantee is broken on purpose, the check that is there for it says so."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url

from exec_tracker import normalise_url
from exec_tracker.models.functions import COMPLETE_FUNCTION
from exec_tracker.testing import conformance

if TYPE_CHECKING:
    from tests.support.database import Database

FAILED = conformance.Outcome.FAILED
# What must fail does so however long one waits.
IMPATIENT = timedelta(seconds=2)


def trigger(moment: str, body: str, table: str = "workflow_executions") -> str:
    """Return a host's trigger, which does what it should not."""
    return f"""
CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
CREATE TRIGGER a_spoiler {moment} ON {table} FOR EACH ROW EXECUTE FUNCTION spoil();
"""


NO_UNIQUE_KEY = "ALTER TABLE workflow_executions DROP CONSTRAINT workflow_executions_pkey CASCADE"
NO_GUARD = "ALTER TABLE workflow_executions DISABLE TRIGGER workflow_executions_guard"
NO_COMPLETION = trigger(
    "BEFORE UPDATE", "IF NEW.status = 'completed' THEN RETURN NULL; END IF; RETURN NEW;"
)
NO_HISTORY = trigger("BEFORE INSERT", "RETURN NULL;", "workflow_execution_attempts")

BREAKS = {
    "one-runs": NO_UNIQUE_KEY,
    "batches": NO_UNIQUE_KEY,
    "refused": trigger(
        "BEFORE INSERT",
        "NEW.lease_expires_at = clock_timestamp() - interval '1 hour'; RETURN NEW;",
    ),
    "waiting": NO_COMPLETION,
    "replay": trigger(
        "BEFORE UPDATE",
        """IF NEW.status = 'completed' THEN NEW.result = '"other"'; END IF; RETURN NEW;""",
    ),
    "fresh-reads": NO_COMPLETION,
    "lease": trigger(
        "BEFORE UPDATE",
        "NEW.lease_expires_at = NEW.lease_expires_at + interval '1 hour'; RETURN NEW;",
    ),
    "abandoned": trigger(
        "BEFORE UPDATE",
        "IF NEW.lease_expires_at < clock_timestamp() THEN NEW.lease_expires_at = NULL; END IF;"
        "RETURN NEW;",
    ),
    "take-over": NO_HISTORY,
    "fence": trigger(
        "BEFORE UPDATE",
        "NEW.claim_token = coalesce(OLD.claim_token, NEW.claim_token); RETURN NEW;",
    ),
    "heartbeat": trigger(
        "BEFORE UPDATE",
        "IF NEW.status = 'running' THEN NEW.lease_expires_at = OLD.lease_expires_at; END IF;"
        "RETURN NEW;",
    ),
    "failure": NO_HISTORY,
    "final": NO_GUARD,
    "live": NO_GUARD,
    "erasure": trigger(
        "BEFORE UPDATE", "NEW.erased_at = NULL; NEW.result = OLD.result; RETURN NEW;"
    ),
    "deletion": "ALTER TABLE workflow_execution_attempts"
    " DROP CONSTRAINT workflow_execution_attempts_execution_id_fkey",
    "users": "ALTER TABLE workflow_executions DISABLE TRIGGER ALL",
    "lock-bound": trigger(
        "BEFORE INSERT", "PERFORM set_config('lock_timeout', '0', true); RETURN NEW;"
    ),
    "one-writes": NO_UNIQUE_KEY,
    "row-security": "ALTER TABLE workflow_executions DISABLE ROW LEVEL SECURITY",
}
"""What spoils the database for each check."""

ELSEWHERE = {"clock", "durable", "together", "rollback", "undone", "usable", "settings"}
"""The checks that need something else to be spoilt, in the tests below."""


def outcomes(bind: Any, *checks: str) -> dict[str, conformance.Outcome]:
    verdicts = conformance.run(bind, only=checks, connections=4, patience=IMPATIENT)
    return {one.check: one.outcome for one in verdicts if one.check in checks}


def test_for_every_check_something_is_spoilt() -> None:
    assert {*BREAKS, *ELSEWHERE} == set(conformance.CHECK_NAMES)


@pytest.mark.parametrize("check", BREAKS)
def test_a_check_fails_where_its_guarantee_is_broken(
    database_url: str, database: Database, check: str
) -> None:
    database.run(BREAKS[check])
    assert outcomes(database_url, check) == {check: FAILED}


def test_a_clock_that_stands_still_is_noticed(database_url: str, database: Database) -> None:
    database.run(
        "CREATE SCHEMA still; CREATE FUNCTION still.clock_timestamp() RETURNS timestamptz"
        " LANGUAGE sql AS 'SELECT pg_catalog.now()'"
    )
    path = {"options": "-csearch_path=still,public,pg_catalog"}
    assert outcomes(make_url(database_url).update_query_dict(path), "clock") == {"clock": FAILED}


def test_a_clock_that_leaps_back_is_noticed(database_url: str, database: Database) -> None:
    database.run(
        "CREATE SCHEMA leaping; CREATE FUNCTION leaping.clock_timestamp() RETURNS timestamptz"
        " LANGUAGE sql AS 'SELECT pg_catalog.clock_timestamp()"
        " - pg_backend_pid() % 7 * interval ''1 hour'''"
    )
    path = {"options": "-csearch_path=leaping,public,pg_catalog"}
    url = make_url(database_url).update_query_dict(path)
    assert outcomes(url, "clock") == {"clock": FAILED}


def test_a_server_that_forgets_in_a_crash_is_noticed(database_url: str, database: Database) -> None:
    expected = conformance.Outcome.OK if database.value("SHOW fsync") == "on" else FAILED
    assert outcomes(database_url, "durable") == {"durable": expected}


@pytest.mark.parametrize("check", ["together", "rollback", "undone", "usable"])
def test_a_connection_without_transactions_is_noticed(database_url: str, check: str) -> None:
    engine = create_engine(normalise_url(database_url), isolation_level="AUTOCOMMIT")
    assert outcomes(engine, check) == {check: FAILED}
    engine.dispose()


def test_a_pooler_that_hands_settings_on_is_noticed(database_url: str) -> None:
    engine = create_engine(normalise_url(database_url), pool_size=8)
    running = conformance.run(engine, only=["final", "settings"], connections=4)
    assert next(running).outcome == conformance.Outcome.OK

    def leak(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        connection.commit()

    event.listen(engine, "checkin", leak)
    verdict = next(running)
    running.close()
    engine.dispose()
    assert verdict.outcome == FAILED
    assert verdict.detail == "a session was left with lock_timeout=2000"


def test_a_function_of_the_schema_that_forgets_the_token_is_noticed(
    database_url: str, database: Database
) -> None:
    made = database.value("SELECT pg_get_functiondef(to_regproc(%s))", COMPLETE_FUNCTION)
    assert " AND e.claim_token = p_token" in made
    database.run(made.replace(" AND e.claim_token = p_token", ""))
    assert outcomes(database_url, "fence") == {"fence": FAILED}


def test_what_cannot_be_tried_says_why(database_url: str, database: Database) -> None:
    database.run("ALTER TABLE workflow_executions DROP CONSTRAINT workflow_executions_user_id_fkey")
    (users, _) = conformance.run(database_url, only=["users"])
    assert users.outcome == conformance.Outcome.NOT_TRIED
    assert users.detail == "user_id refers to no table here"


def test_rows_that_cannot_be_deleted_are_reported(database_url: str, database: Database) -> None:
    database.run(trigger("BEFORE DELETE", "RETURN NULL;"))
    verdicts = list(conformance.run(database_url, only=["final"]))
    assert [one.outcome for one in verdicts] == [conformance.Outcome.OK, FAILED]
    assert "1 rows are left" in verdicts[-1].detail

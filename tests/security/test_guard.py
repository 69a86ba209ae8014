"""The state machine in the database holds for every writer, and costs the legal ones no call."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from exec_tracker.models.guard import GUARD_RULES, GUARD_SQLSTATE
from exec_tracker.sqlstates import sqlstate_of
from tests.security.guard_cases import CLAIM, ILLEGAL, LEGAL, OTHER, ROWS

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


def update(connection: Connection, key: str, change: str) -> int:
    statement = f"UPDATE workflow_executions SET {change} WHERE id = :key"
    return connection.execute(text(statement), {"key": key}).rowcount


def rule_of(error: DBAPIError) -> str:
    diagnostics = getattr(error.orig, "diag", None)
    return str(getattr(diagnostics, "constraint_name", None))


@pytest.mark.parametrize(("row", "change", "free"), LEGAL)
def test_a_legal_update_passes_and_the_usual_ones_pay_no_function_call(
    engine: Engine, insert: Callable[..., str], row: str, change: str, free: bool
) -> None:
    key = insert(**ROWS[row])
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL track_functions = 'pl'"))
        assert update(connection, key, change) == 1
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        calls = connection.scalar(
            text(
                "SELECT coalesce(sum(calls), 0) FROM pg_stat_xact_user_functions "
                "WHERE funcname = 'guard_workflow_execution'"
            )
        )
    assert bool(calls) != free


@pytest.mark.parametrize(("row", "change", "rule"), ILLEGAL)
def test_an_illegal_update_is_refused_and_the_rule_is_named(
    engine: Engine, insert: Callable[..., str], row: str, change: str, rule: str
) -> None:
    key = insert(**ROWS[row])
    with pytest.raises(DBAPIError) as refusal, engine.begin() as connection:
        update(connection, key, change)
    assert sqlstate_of(refusal.value) == GUARD_SQLSTATE
    assert rule_of(refusal.value) == rule
    assert f"execution '{key}': " in str(refusal.value)


def test_every_rule_is_tried() -> None:
    assert {rule for *_, rule in ILLEGAL} == set(GUARD_RULES)


def test_the_owner_of_a_completed_execution_does_not_change(
    engine: Engine, insert: Callable[..., str], people: Any
) -> None:
    key = insert(**ROWS["completed"])
    with pytest.raises(DBAPIError, match="does not change"), engine.begin() as connection:
        update(connection, key, f"user_id = '{people.bob}'")


def test_the_guard_holds_for_the_service_role_too(
    act_as: Callable[..., AbstractContextManager[Connection]], insert: Callable[..., str]
) -> None:
    key = insert(**ROWS["completed"])
    with act_as("service_role") as connection:
        with pytest.raises(DBAPIError) as refusal:
            update(connection, key, "status = 'failed'")
        assert rule_of(refusal.value) == "completed_is_final"


@pytest.mark.parametrize("name", ["aaa_theirs", "zzz_theirs"])
def test_a_trigger_of_the_host_that_rewrites_the_row_cannot_slip_through(
    engine: Engine, insert: Callable[..., str], name: str
) -> None:
    key = insert(**ROWS["completed"])
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN NEW.result = '\"theirs\"'; RETURN NEW; END $$; "
            f"CREATE TRIGGER {name} BEFORE UPDATE ON workflow_executions "
            "FOR EACH ROW EXECUTE FUNCTION theirs()"
        )
    with pytest.raises(DBAPIError) as refusal, engine.begin() as connection:
        update(connection, key, "workflow_name = 'harmless'")
    assert rule_of(refusal.value) == "outcome_is_immutable"


@pytest.mark.parametrize(
    "statement",
    [
        (
            "INSERT INTO workflow_executions (id, workflow_id, user_id, status) "
            "SELECT id, workflow_id, user_id, 'running' FROM workflow_executions WHERE id = :key "
            "ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status"
        ),
        (
            "WITH gone AS (UPDATE workflow_executions SET status = 'pending' WHERE id = :key "
            "RETURNING id) SELECT * FROM gone"
        ),
        (
            "UPDATE workflow_executions AS e SET status = o.status FROM "
            "(VALUES ('failed')) AS o (status) WHERE e.id = :key"
        ),
    ],
)
def test_no_other_spelling_of_an_update_gets_by(
    engine: Engine, insert: Callable[..., str], statement: str
) -> None:
    key = insert(**ROWS["completed"])
    with pytest.raises(DBAPIError) as refusal, engine.begin() as connection:
        connection.execute(text(statement), {"key": key})
    assert sqlstate_of(refusal.value) == GUARD_SQLSTATE


def test_merge_does_not_get_by(engine: Engine, insert: Callable[..., str]) -> None:
    key = insert(**ROWS["completed"])
    with engine.connect() as connection:
        if connection.dialect.server_version_info < (15,):  # type: ignore[operator]
            pytest.skip("MERGE came with PostgreSQL 15")
    with pytest.raises(DBAPIError) as refusal, engine.begin() as connection:
        connection.execute(
            text(
                "MERGE INTO workflow_executions AS e USING (VALUES (:key)) AS o (id) "
                "ON e.id = o.id WHEN MATCHED THEN UPDATE SET status = 'pending'"
            ),
            {"key": key},
        )
    assert sqlstate_of(refusal.value) == GUARD_SQLSTATE


def test_updated_at_moves_on_a_completed_execution(
    engine: Engine, insert: Callable[..., str]
) -> None:
    key = insert(**ROWS["completed"], updated_at="2026-01-01T00:00:02Z")
    with engine.begin() as connection:
        update(connection, key, "workflow_name = 'renamed'")
        assert connection.scalar(
            text("SELECT updated_at = now() FROM workflow_executions WHERE id = :key"),
            {"key": key},
        )


@pytest.mark.parametrize("row", ROWS)
def test_an_execution_can_be_deleted_in_any_state(
    engine: Engine, insert: Callable[..., str], row: str
) -> None:
    key = insert(**ROWS[row])
    with engine.begin() as connection:
        done = connection.execute(
            text("DELETE FROM workflow_executions WHERE id = :key"), {"key": key}
        )
    assert done.rowcount == 1


def test_deleting_an_account_takes_its_executions_and_their_history_along(
    engine: Engine, insert: Callable[..., str], people: Any
) -> None:
    keys = [insert(**row) for row in ROWS.values()]
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO workflow_execution_attempts (execution_id, attempt, user_id, outcome) "
                "VALUES (:key, 1, :user, 'failed')"
            ),
            {"key": keys[0], "user": people.alice},
        )
        # As an authentication service does it: under a search path without our schema.
        connection.execute(text("SET LOCAL search_path = auth"))
        connection.execute(text("DELETE FROM auth.users WHERE id = :id"), {"id": people.alice})
        connection.execute(text("SET LOCAL search_path = public"))
        left = connection.scalar(
            text(
                "SELECT (SELECT count(*) FROM workflow_executions) "
                "+ (SELECT count(*) FROM workflow_execution_attempts)"
            )
        )
    assert left == 0


def test_a_token_is_compared_and_not_merely_present(
    engine: Engine, insert: Callable[..., str]
) -> None:
    key = insert(**ROWS["failed"])
    with engine.begin() as connection:
        assert update(connection, key, f"{CLAIM}, started_at = now()") == 1
        token = connection.scalar(
            text("SELECT claim_token FROM workflow_executions WHERE id = :key"), {"key": key}
        )
    assert token == uuid.UUID(OTHER)

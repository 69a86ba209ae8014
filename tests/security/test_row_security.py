"""Who sees and changes what, and the ways around it that do not work."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from exec_tracker.settings import normalise_url
from exec_tracker.sqlstates import sqlstate_of

Insert = Callable[..., str]
ActAs = Callable[..., AbstractContextManager[Connection]]

INSUFFICIENT_PRIVILEGE = "42501"


def keys(connection: Connection) -> set[str]:
    return set(connection.scalars(text("SELECT id FROM workflow_executions")))


def add_attempt(engine: Engine, key: str, user: Any) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO workflow_execution_attempts (execution_id, attempt, user_id, outcome) "
                "VALUES (:key, 1, :user, 'failed')"
            ),
            {"key": key, "user": user},
        )


def test_a_user_sees_exactly_their_own_executions(
    insert: Insert, act_as: ActAs, people: Any
) -> None:
    hers, his = insert(), insert(user_id=people.bob)
    with act_as("authenticated", people.alice) as connection:
        assert keys(connection) == {hers}
    with act_as("authenticated", people.bob) as connection:
        assert keys(connection) == {his}


def test_a_session_without_a_user_sees_nothing(insert: Insert, act_as: ActAs) -> None:
    insert()
    with act_as("authenticated") as connection:
        assert keys(connection) == set()


def test_claiming_to_be_the_service_role_shows_no_more(
    insert: Insert, act_as: ActAs, people: Any
) -> None:
    hers, _ = insert(), insert(user_id=people.bob)
    with act_as("authenticated", people.alice) as connection:
        for name, value in (
            ("request.jwt.claims", json.dumps({"role": "service_role", "sub": str(people.alice)})),
            ("request.jwt.claim.role", "service_role"),
        ):
            connection.execute(
                text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value}
            )
            assert connection.scalar(text("SELECT auth.role()")) == "service_role"
            assert keys(connection) == {hers}


def test_the_specified_policies_believed_that_claim(engine: Engine) -> None:
    """The reason for the revision: without it the test above fails."""
    with engine.connect() as connection:
        for statement in (
            (
                'ALTER POLICY "Service role full access" ON workflow_executions TO PUBLIC '
                "USING (auth.role() = 'service_role')"
            ),
            "INSERT INTO auth.users VALUES ('11111111-1111-1111-1111-111111111111')",
            (
                "INSERT INTO workflow_executions (id, workflow_id, user_id, status) "
                "VALUES ('k', 'w', '11111111-1111-1111-1111-111111111111', 'pending')"
            ),
            "SET LOCAL ROLE authenticated",
            "SELECT set_config('request.jwt.claims', '{\"role\": \"service_role\"}', true)",
        ):
            connection.exec_driver_sql(statement)
        assert keys(connection) == {"k"}


def test_an_older_spelling_of_the_claims_wins_and_is_told_apart_from_an_empty_one(
    insert: Insert, act_as: ActAs, people: Any
) -> None:
    hers, his = insert(), insert(user_id=people.bob)
    with act_as("authenticated", people.alice) as connection:
        claim = text("SELECT set_config('request.jwt.claim.sub', :user, true)")
        connection.execute(claim, {"user": str(people.bob)})
        assert keys(connection) == {his}
        connection.execute(claim, {"user": ""})
        assert keys(connection) == {hers}


def test_a_pooled_session_whose_claims_have_passed_is_nobody(
    engine: Engine, insert: Insert
) -> None:
    insert()
    with engine.connect() as connection:
        connection.execute(text("SELECT set_config('request.jwt.claims', '{}', true)"))
        connection.rollback()
        connection.execute(text("SET LOCAL ROLE authenticated"))
        assert connection.scalar(text("SELECT current_setting('request.jwt.claims')")) == ""
        assert keys(connection) == set()


def test_claims_that_are_no_json_raise_and_show_nothing(insert: Insert, act_as: ActAs) -> None:
    insert()
    with act_as("authenticated") as connection:
        connection.execute(text("SELECT set_config('request.jwt.claims', 'nonsense', true)"))
        with pytest.raises(DBAPIError) as refusal:
            keys(connection)
    assert sqlstate_of(refusal.value) == "22P02"


def test_users_do_not_see_the_history_of_attempts(
    engine: Engine, insert: Insert, act_as: ActAs, people: Any
) -> None:
    add_attempt(engine, insert(), people.alice)
    with (
        act_as("authenticated", people.alice) as connection,
        pytest.raises(DBAPIError, match="permission denied"),
    ):
        connection.execute(text("SELECT * FROM workflow_execution_attempts"))


def test_denial_by_a_missing_grant(insert: Insert, act_as: ActAs, people: Any) -> None:
    key = insert()
    with act_as("authenticated", people.alice) as connection, pytest.raises(DBAPIError) as refusal:
        connection.execute(
            text("UPDATE workflow_executions SET status = 'failed' WHERE id = :key"), {"key": key}
        )
    assert sqlstate_of(refusal.value) == INSUFFICIENT_PRIVILEGE
    assert "permission denied for table" in str(refusal.value)


def with_all_grants(engine: Engine) -> None:
    """What a host may have granted by mistake: row security still stands behind it."""
    with engine.begin() as connection:
        connection.execute(text("GRANT ALL ON workflow_executions TO anon, authenticated"))


def test_denial_by_the_check_of_new_rows(engine: Engine, act_as: ActAs, people: Any) -> None:
    with_all_grants(engine)
    with act_as("authenticated", people.alice) as connection, pytest.raises(DBAPIError) as refusal:
        connection.execute(
            text(
                "INSERT INTO workflow_executions (id, workflow_id, user_id, status) "
                "VALUES ('mine', 'w', :user, 'completed')"
            ),
            {"user": people.alice},
        )
    assert sqlstate_of(refusal.value) == INSUFFICIENT_PRIVILEGE
    assert "row-level security policy" in str(refusal.value)


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_denial_in_silence(
    engine: Engine, insert: Insert, act_as: ActAs, people: Any, role: str
) -> None:
    with_all_grants(engine)
    insert()
    with act_as(role, people.alice) as connection:
        for statement in (
            "UPDATE workflow_executions SET workflow_name = 'x'",
            "DELETE FROM workflow_executions",
            "SELECT id FROM workflow_executions FOR UPDATE",
        ):
            assert connection.execute(text(statement)).rowcount == 0, statement


def test_anon_sees_nothing_even_with_a_grant(engine: Engine, insert: Insert, act_as: ActAs) -> None:
    with_all_grants(engine)
    insert()
    with act_as("anon") as connection:
        assert keys(connection) == set()


@pytest.fixture
def as_login(engine: Engine, service_login: str) -> Any:
    url = normalise_url(engine.url).set(username=service_login, password=service_login)
    login = create_engine(url)
    yield login
    login.dispose()


def write_as_the_service_does(connection: Connection, user: Any) -> None:
    for statement in (
        (
            "INSERT INTO workflow_executions (id, workflow_id, user_id, status) "
            "VALUES ('new', 'w', :user, 'running')"
        ),
        (
            "INSERT INTO workflow_execution_attempts (execution_id, attempt, user_id, outcome) "
            "VALUES ('new', 1, :user, 'abandoned')"
        ),
        "UPDATE workflow_executions SET status = 'failed' WHERE user_id = :user",
    ):
        assert connection.execute(text(statement), {"user": user}).rowcount == 1


def test_a_login_role_of_the_service_works_without_any_claims(
    as_login: Engine, insert: Insert, people: Any
) -> None:
    existing = insert()
    with as_login.begin() as connection:
        write_as_the_service_does(connection, people.bob)
        assert connection.scalar(
            text("SELECT updated_at = now() FROM workflow_executions WHERE id = 'new'")
        )
        assert keys(connection) == {existing, "new"}
        purged = connection.execute(text("DELETE FROM workflow_executions WHERE status = 'failed'"))
        assert purged.rowcount == 1
        assert connection.scalar(text("SELECT count(*) FROM workflow_execution_attempts")) == 0


def test_an_account_is_deleted_by_a_role_that_may_not_touch_our_tables(
    engine: Engine, insert: Insert, people: Any
) -> None:
    insert()
    other = insert(user_id=people.bob)
    with engine.begin() as connection:
        connection.execute(text("GRANT DELETE, SELECT ON auth.users TO anon"))
        connection.execute(text("SET LOCAL ROLE anon"))
        connection.execute(text("SET LOCAL search_path = auth"))
        connection.execute(text("DELETE FROM auth.users WHERE id = :id"), {"id": people.alice})
        connection.execute(text("RESET ROLE"))
        connection.execute(text("SET LOCAL search_path = public"))
        assert keys(connection) == {other}


def test_the_policy_asks_for_the_user_once_per_statement(
    engine: Engine, insert: Insert, act_as: ActAs, people: Any
) -> None:
    insert()
    with act_as("authenticated", people.alice) as connection:
        plan = "\n".join(
            connection.scalars(text("EXPLAIN (COSTS OFF) SELECT count(*) FROM workflow_executions"))
        )
    assert "InitPlan" in plan
    assert "auth.uid()" not in plan.replace("(InitPlan 1).col1", "")

"""The functions of the schema let nobody do what the tables would refuse."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from exec_tracker import ExecuteOptions, ExecutionTracker, IdempotencyKeyReusedError, StorageError
from exec_tracker.models.rows import COLUMN_NAMES
from exec_tracker.settings import normalise_url
from exec_tracker.sqlstates import INSUFFICIENT_PRIVILEGE, sqlstate_of
from tests.security.guard_cases import ROWS, TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

Insert = Callable[..., str]
ActAs = Callable[..., AbstractContextManager[Connection]]

CLAIM = text(
    "SELECT claim_workflow_execution_v1("
    ":key, 'w', NULL, :user, NULL, NULL, NULL, NULL, gen_random_uuid(), NULL, 60, '2s')"
)
COMPLETE = text("SELECT complete_workflow_execution_v1(:key, :token, :result, '2s')")


def claim(connection: Connection, key: str, user: UUID) -> str | None:
    """Tell whose row the answer is, if there is one."""
    row = connection.scalar(CLAIM, {"key": key, "user": user})
    return None if row is None else dict(zip(COLUMN_NAMES, row, strict=True))["user_id"]


def complete(connection: Connection, key: str) -> bool:
    row = connection.scalar(COMPLETE, {"key": key, "token": TOKEN, "result": "1"})
    return row is not None


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_a_user_may_call_no_function_of_the_schema(
    insert: Insert, act_as: ActAs, people: Any, role: str
) -> None:
    key = insert(**ROWS["live"])
    with act_as(role, people.alice) as connection, pytest.raises(DBAPIError) as claiming:
        claim(connection, "new", people.alice)
    with act_as(role, people.alice) as connection, pytest.raises(DBAPIError) as completing:
        complete(connection, key)
    for refusal in (claiming.value, completing.value):
        assert sqlstate_of(refusal) == INSUFFICIENT_PRIVILEGE
        assert "permission denied for function" in str(refusal)


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_a_user_who_may_call_them_by_mistake_acts_with_no_more_than_his_own_rights(
    engine: Engine, insert: Insert, act_as: ActAs, people: Any, role: str
) -> None:
    key = insert(**ROWS["live"])
    with engine.begin() as connection:
        connection.execute(text(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {role}"))
    with act_as(role, people.alice) as connection, pytest.raises(DBAPIError) as claiming:
        claim(connection, "new", people.alice)
    with act_as(role, people.alice) as connection, pytest.raises(DBAPIError) as completing:
        complete(connection, key)
    for refusal in (claiming.value, completing.value):
        assert sqlstate_of(refusal) == INSUFFICIENT_PRIVILEGE
        assert "permission denied for table workflow_executions" in str(refusal)


@pytest.fixture
def login(engine: Engine, service_login: str) -> Iterator[Engine]:
    url = normalise_url(engine.url).set(username=service_login, password=service_login)
    login = create_engine(url)
    yield login
    login.dispose()


@pytest.fixture
def bobs_only(engine: Engine, people: Any) -> None:
    """Give the service a policy of the host's: it serves one user."""
    with engine.begin() as connection:
        connection.execute(
            text(
                'ALTER POLICY "Service role full access" ON workflow_executions '
                f"USING (user_id = '{people.bob}') WITH CHECK (user_id = '{people.bob}')"
            )
        )


def test_a_login_of_the_service_claims_and_completes(
    login: Engine, insert: Insert, people: Any
) -> None:
    held = insert(**ROWS["live"])
    with login.begin() as connection:
        assert claim(connection, "new", people.alice) == str(people.alice)
        assert complete(connection, held)


@pytest.mark.usefixtures("bobs_only")
def test_the_functions_see_and_change_no_more_than_the_policies_let_their_caller(
    login: Engine, insert: Insert, people: Any
) -> None:
    hers = insert(**ROWS["live"])
    his = insert(**ROWS["live"], user_id=people.bob)
    stored = insert(**ROWS["completed"])
    with login.begin() as connection:
        assert claim(connection, stored, people.bob) is None
        assert not complete(connection, hers)
        assert complete(connection, his)
        assert claim(connection, "new", people.bob) == str(people.bob)
    with login.begin() as connection, pytest.raises(DBAPIError, match="row-level security"):
        claim(connection, "other", people.alice)


@pytest.mark.usefixtures("bobs_only")
def test_a_tracker_of_such_a_login_stays_within_its_policies(
    login: Engine, insert: Insert, people: Any
) -> None:
    def asking(key: str, user: UUID) -> ExecuteOptions:
        return ExecuteOptions(idempotency_key=key, workflow_id="workflow", user_id=user)

    stored = insert(**ROWS["completed"])
    with ExecutionTracker(login) as tracker:
        assert tracker.execute_idempotent(asking("new", people.bob), lambda: 1) == 1
        with pytest.raises(IdempotencyKeyReusedError, match="may not see"):
            tracker.execute_idempotent(asking(stored, people.bob), lambda: 2)
        with pytest.raises(StorageError, match="row-level security"):
            tracker.execute_idempotent(asking("hers", people.alice), lambda: 3)

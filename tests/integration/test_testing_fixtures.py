"""The fixtures that host projects get."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from exec_tracker.types import ExecuteOptions

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.aio import AsyncExecutionTracker
    from exec_tracker.embedded import EmbeddedPostgres
    from exec_tracker.testing import AsRole, AsUser, DatabaseClock, Effects, ExecutedOnce
    from exec_tracker.tracker import ExecutionTracker
    from exec_tracker.types import Execution


def write(url: str, statement: str, *values: object) -> None:
    with contextlib.closing(psycopg2.connect(url)) as connection, connection:
        connection.cursor().execute(statement, values)


def add_execution(url: str, key: str, user_id: UUID, status: str = "completed") -> None:
    write(
        url,
        "INSERT INTO workflow_executions (id, workflow_id, user_id, status, attempt, completed_at,"
        " lease_expires_at) VALUES (%s, 'w', %s, %s, 1, now(), now() + interval '1 minute')",
        key,
        str(user_id),
        status,
    )


def found(tracker: ExecutionTracker, key: str) -> Execution:
    execution = tracker.get_execution(key)
    assert execution is not None
    return execution


@pytest.mark.parametrize("_again", [1, 2])
def test_every_test_has_a_database_of_its_own(database_url: str, _again: int) -> None:
    write(database_url, "CREATE TABLE mine ()")


def test_the_users_exist_and_differ(user_id: UUID, other_user_id: UUID, as_service: AsRole) -> None:
    with as_service() as connection:
        found = set(connection.scalars(text("SELECT id FROM auth.users")))
    assert found == {user_id, other_user_id}


def test_a_user_sees_her_executions_only(
    database_url: str, user_id: UUID, other_user_id: UUID, as_user: AsUser
) -> None:
    add_execution(database_url, "hers", user_id)
    add_execution(database_url, "his", other_user_id)
    with as_user(user_id) as connection:
        assert list(connection.scalars(text("SELECT id FROM workflow_executions"))) == ["hers"]
        assert connection.scalar(text("SELECT auth.uid()")) == user_id
        assert connection.scalar(text("SELECT auth.role()")) == "authenticated"


def test_a_visitor_sees_nothing_and_the_service_everything(
    database_url: str, user_id: UUID, as_anon: AsRole, as_service: AsRole
) -> None:
    add_execution(database_url, "hers", user_id)
    with pytest.raises(ProgrammingError, match="permission denied"), as_anon() as connection:
        connection.execute(text("SELECT FROM workflow_executions"))
    with as_service() as connection:
        assert connection.scalar(text("SELECT count(*) FROM workflow_executions")) == 1


def test_time_passes_when_the_test_says_so_and_nothing_else_changes(
    database_url: str, user_id: UUID, as_service: AsRole, database_clock: DatabaseClock
) -> None:
    add_execution(database_url, "done", user_id)
    add_execution(database_url, "held", user_id, status="running")
    query = text(
        "SELECT completed_at < now() - interval '59 minutes' AS aged, updated_at < now() -"
        " interval '59 minutes' AS untouched, lease_expires_at < now() AS expired"
        " FROM workflow_executions ORDER BY id"
    )
    database_clock.advance(timedelta(hours=1))
    with as_service() as connection:
        assert [tuple(row) for row in connection.execute(query)] == [(True, True, True)] * 2


def test_effects_are_counted_wherever_they_happen(effects: Effects, database_url: str) -> None:
    charge = effects("charge")
    assert effects.count("charge") == 0
    assert charge() == {"charge": 1}
    write(database_url, "INSERT INTO exec_tracker_test_effects (name) VALUES ('charge')")
    assert effects.count("charge") == 2
    assert effects.count("refund") == 0


def test_executed_once_accepts_one_completed_attempt_and_nothing_else(
    database_url: str, user_id: UUID, executed_once: ExecutedOnce
) -> None:
    add_execution(database_url, "done", user_id)
    add_execution(database_url, "held", user_id, status="running")
    executed_once("done")
    with pytest.raises(AssertionError, match="running in attempt 1"):
        executed_once("held")
    with pytest.raises(AssertionError, match="no execution 'none'"):
        executed_once("none")


def test_the_tracker_runs_an_effect_once(
    tracker: ExecutionTracker, user_id: UUID, effects: Effects, executed_once: ExecutedOnce
) -> None:
    options = ExecuteOptions(idempotency_key="k", workflow_id="w", user_id=user_id)
    first = tracker.execute_idempotent(options, effects("charge"))
    assert tracker.execute_idempotent(options, effects("charge")) == first
    assert effects.count("charge") == 1
    executed_once("k")


async def test_the_asynchronous_tracker_runs_an_effect_once(
    async_tracker: AsyncExecutionTracker, user_id: UUID, effects: Effects
) -> None:
    options = ExecuteOptions(idempotency_key="k", workflow_id="w", user_id=user_id)
    first = await async_tracker.execute_idempotent(options, effects("charge"))
    assert await async_tracker.execute_idempotent(options, effects("charge")) == first
    assert effects.count("charge") == 1


def test_a_lease_expires_when_the_clock_is_put_forward(
    tracker: ExecutionTracker, user_id: UUID, database_clock: DatabaseClock
) -> None:
    options = ExecuteOptions(idempotency_key="k", workflow_id="w", user_id=user_id)
    tracker.create_execution(options)
    tracker.mark_running("k", lease=timedelta(minutes=1))
    assert not found(tracker, "k").is_abandoned
    database_clock.advance(timedelta(minutes=2))
    assert found(tracker, "k").is_abandoned


def test_a_crashable_server_is_the_tests_own_and_durable(
    crashable_postgres: EmbeddedPostgres,
) -> None:
    write(crashable_postgres.url, "CREATE TABLE kept ()")
    crashable_postgres.kill()
    crashable_postgres.start()
    write(crashable_postgres.url, "DROP TABLE kept")

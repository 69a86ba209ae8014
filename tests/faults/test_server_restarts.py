"""A server that restarts or crashes while work is running: nothing is lost, nothing runs twice."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Literal
from uuid import UUID, uuid4

import pytest

from exec_tracker import (
    ExecutionAbandonedError,
    ExecutionInProgressError,
    StorageError,
    migrations,
)
from exec_tracker.embedded import EmbeddedPostgres
from tests.support.database import Database, eventually
from tests.support.executors import Calls, Held, options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.fixtures import Background, NewSubject, Running

pytestmark = pytest.mark.slow

SHORT = timedelta(seconds=1)


@pytest.fixture(scope="module")
def own_server() -> Iterator[EmbeddedPostgres]:
    """A server that may be stopped; its machine never is, so that it need not flush to disk."""
    with EmbeddedPostgres(settings={"fsync": "off"}) as server:
        migrations.upgrade(server.create_database("migrated"))
        yield server


@pytest.fixture
def server(own_server: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    yield own_server
    own_server.start()


@pytest.fixture
def database_url(server: EmbeddedPostgres) -> str:
    """Have all fixtures work on the server that may be stopped."""
    return server.create_database(f"test_{uuid4().hex}", "migrated")


@pytest.fixture
def user_id(database_url: str) -> UUID:
    user = uuid4()
    Database(database_url).run("INSERT INTO auth.users (id) VALUES (%s)", str(user))
    return user


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_result_is_saved_after_a_restart_that_the_waiters_outlive(
    new_subject: NewSubject,
    user_id: UUID,
    server: EmbeddedPostgres,
    running: Running,
    background: Background,
    *,
    mode: Literal["fast", "immediate"],
) -> None:
    subject = new_subject()
    executor, first = running(subject, options("k", user_id))
    second = Calls()
    waiting = background(
        subject.execute_idempotent, options("k", user_id), second, on_running="wait"
    )
    time.sleep(0.1)
    server.restart(mode)
    executor.release()
    assert first.result() == waiting.result() == "done"
    assert (executor.count, second.count) == (1, 0)


def test_a_result_is_saved_when_the_database_was_away_for_longer_than_the_lease(
    new_subject: NewSubject, user_id: UUID, server: EmbeddedPostgres, running: Running
) -> None:
    subject = new_subject(lease=SHORT)
    executor, first = running(subject, options("k", user_id))
    server.kill()
    executor.release()
    time.sleep(2 * SHORT.total_seconds())
    assert not first.done()
    server.start()
    assert first.result() == "done"
    assert subject.execute_idempotent(options("k", user_id), Calls()) == "done"
    assert executor.count == 1


def test_a_claim_survives_the_crash_of_the_server(
    new_subject: NewSubject, user_id: UUID, server: EmbeddedPostgres, running: Running
) -> None:
    subject = new_subject()
    executor, first = running(subject, options("k", user_id))
    server.kill()
    server.start()
    second = Calls()
    with pytest.raises(ExecutionInProgressError):
        new_subject().execute(options("k", user_id), second)
    executor.release()
    assert (first.result(), second.count) == ("done", 0)


def test_a_result_that_cannot_be_saved_in_time_is_carried_by_the_error_and_not_run_again(
    new_subject: NewSubject,
    user_id: UUID,
    server: EmbeddedPostgres,
    database: Database,
    running: Running,
) -> None:
    subject = new_subject(lease=SHORT, save_timeout=timedelta(seconds=0.5))
    executor, first = running(subject, options("k", user_id), Held({"paid": 3}))
    server.kill()
    executor.release()
    error = first.exception(timeout=10)
    assert isinstance(error, StorageError)
    assert error.result == {"paid": 3}
    server.start()
    assert database.row("k")["status"] == "running"
    eventually(lambda: new_subject().get_execution("k").is_abandoned)
    second = Calls()
    with pytest.raises(ExecutionAbandonedError):
        new_subject().execute(options("k", user_id), second)
    assert (executor.count, second.count) == (1, 0)
    assert new_subject().resolve("k", result=error.result).result == {"paid": 3}


def test_a_failure_that_cannot_be_recorded_does_not_mask_the_functions_own(
    new_subject: NewSubject, user_id: UUID, server: EmbeddedPostgres, running: Running
) -> None:
    subject = new_subject(save_timeout=timedelta(seconds=0.2))
    own = ValueError("declined")
    executor, first = running(subject, options("k", user_id), Held(raises=own))
    server.kill()
    executor.release()
    assert first.exception(timeout=10) is own
    assert "could not record" in str(own.__notes__)

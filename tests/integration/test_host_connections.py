"""The host's engine: connections go back as they came, none leak, and it is never closed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import ExecTrackerError, TransientStorageError
from tests.support.database import eventually
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.fixtures import NewSubject, Running
    from tests.support.subjects import Subject

ONE_CONNECTION = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 2}


@pytest.fixture
def subject(new_subject: NewSubject) -> Subject:
    """A tracker on an engine with a single connection, which the host sees after every call."""
    return new_subject(engine=ONE_CONNECTION)


def use_everything(subject: Subject, user_id: UUID) -> None:
    subject.execute(options("k", user_id), Calls())
    subject.execute(options("k", user_id), Calls())
    subject.get_recent_executions(user_id)
    subject.create_execution(options("l", user_id))
    subject.mark_running("l", lease=timedelta(minutes=1))


def test_the_hosts_transactions_still_begin_and_roll_back(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    use_everything(subject, user_id)
    # In autocommit the host's uncommitted insert would stay.
    database.run("CREATE TABLE host (id integer)")
    subject.host_query("INSERT INTO host VALUES (1) RETURNING id")
    assert database.all("SELECT * FROM host") == []


@pytest.mark.parametrize(
    "setting", ["lock_timeout", "synchronous_commit", "default_transaction_isolation"]
)
def test_no_setting_stays_behind_in_the_session(
    subject: Subject, user_id: UUID, setting: str
) -> None:
    before = subject.host_query(f"SHOW {setting}")
    use_everything(subject, user_id)
    assert subject.host_query(f"SHOW {setting}") == before


def errors(subject: Subject, user_id: UUID) -> list[Any]:
    return [
        lambda: subject.execute(options("k", user_id), Calls(raises=ExecTrackerError("mine"))),
        lambda: subject.execute(options("l", user_id), Calls(object())),
        lambda: subject.execute(options("m", UUID_OF_NOBODY), Calls()),
        lambda: subject.execute(options("n", user_id, parameters={"a": 1}), Calls()),
        lambda: subject.mark_completed("nothing", 1),
        lambda: subject.wait("n", timedelta(0)),
    ]


UUID_OF_NOBODY = "00000000-0000-0000-0000-000000000000"


def test_errors_leak_no_connection(subject: Subject, user_id: UUID) -> None:
    subject.create_execution(options("n", user_id))
    for provoke in errors(subject, user_id):
        for _ in range(2):
            with pytest.raises(ExecTrackerError):
                provoke()
            assert subject.pool.checkedout() == 0
    assert subject.host_query("SELECT 1") == 1


def test_the_function_may_use_the_pools_only_connection(subject: Subject, user_id: UUID) -> None:
    def use_the_pool() -> int:
        return int(subject.host_query("SELECT 42"))

    assert subject.execute_idempotent(options("k", user_id), use_the_pool) == 42


def test_an_exhausted_pool_is_said_so(
    new_subject: NewSubject, user_id: UUID, running: Running
) -> None:
    if new_subject().driver.startswith("async"):
        pytest.skip("the sync half holds the connection in this thread")
    subject = new_subject(engine={"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.1})
    calls = Calls()
    borrowed = subject.pool.connect()
    with pytest.raises(TransientStorageError, match="pool"):
        subject.execute(options("k", user_id), calls)
    with pytest.raises(TransientStorageError, match="pool"):
        subject.get_recent_executions(user_id)
    borrowed.close()
    assert calls.count == 0
    assert subject.execute(options("k", user_id), calls).cached is False


def test_closing_the_tracker_leaves_the_hosts_engine_open(
    new_subject: NewSubject, user_id: UUID, database: Database
) -> None:
    subject = new_subject(engine=ONE_CONNECTION)
    subject.execute(options("k", user_id), Calls())
    pid = subject.host_query("SELECT pg_backend_pid()")
    subject.close_tracker()
    assert subject.host_query("SELECT pg_backend_pid()") == pid


def test_work_that_runs_while_the_tracker_is_closed_is_stored(
    new_subject: NewSubject, user_id: UUID, running: Running, database: Database
) -> None:
    subject = new_subject()
    executor, first = running(subject, options("k", user_id), lease=timedelta(seconds=0.3))
    subject.close_tracker()
    lease = database.row("k")["lease_expires_at"]
    eventually(lambda: database.row("k")["lease_expires_at"] > lease)
    executor.release()
    assert first.result() == "done"
    assert database.row("k")["status"] == "completed"


def test_a_repeatable_read_engine_is_left_as_it_is(new_subject: NewSubject, user_id: UUID) -> None:
    subject = new_subject(engine={**ONE_CONNECTION, "isolation_level": "REPEATABLE READ"})
    use_everything(subject, user_id)
    assert subject.host_query("SHOW transaction_isolation") == "repeatable read"


def test_an_autocommit_engine_is_left_as_it_is(
    new_subject: NewSubject, user_id: UUID, database: Database
) -> None:
    subject = new_subject(engine={**ONE_CONNECTION, "isolation_level": "AUTOCOMMIT"})
    use_everything(subject, user_id)
    database.run("CREATE TABLE host (id integer)")
    subject.host_query("INSERT INTO host VALUES (1) RETURNING id")
    assert len(database.all("SELECT * FROM host")) == 1

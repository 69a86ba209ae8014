"""Servers, roles and transactions of the host that make a claim harder."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url

from exec_tracker import ExecutionInProgressError, LeaseLostError
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.fixtures import Background, NewSubject, Running
    from tests.support.subjects import Subject


@pytest.fixture
def preset(database: Database) -> Callable[[str, str], None]:
    """Give the database a setting that all new connections have."""

    def set_default(name: str, value: str) -> None:
        database.run(f'ALTER DATABASE "{make_url(database.url).database}" SET {name} = {value}')

    return set_default


def test_one_of_many_runs_where_the_default_isolation_is_serializable(
    new_subject: NewSubject,
    user_id: UUID,
    preset: Callable[[str, str], None],
    background: Background,
) -> None:
    preset("default_transaction_isolation", "serializable")
    subject, calls = new_subject(), Calls()
    futures = [
        background(subject.execute_idempotent, options("k", user_id), calls, on_running="wait")
        for _ in range(12)
    ]
    assert [future.result() for future in futures] == ["done"] * 12
    assert calls.count == 1


LOG_COMMITS = """
CREATE TABLE commits (of text, flushed text);
CREATE FUNCTION log_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.commits
    VALUES (TG_OP || ' ' || NEW.status, current_setting('synchronous_commit'));
    RETURN NULL;
END $$;
CREATE TRIGGER log_commit AFTER INSERT OR UPDATE ON workflow_executions
    FOR EACH ROW EXECUTE FUNCTION log_commit();
"""


@pytest.mark.parametrize(("role", "flushed"), [("off", "on"), ("local", "local")])
def test_claims_and_outcomes_are_flushed_for_a_role_that_does_not_flush(
    new_subject: NewSubject,
    user_id: UUID,
    database: Database,
    preset: Callable[[str, str], None],
    *,
    role: str,
    flushed: str,
) -> None:
    database.run(LOG_COMMITS)
    preset("synchronous_commit", role)
    subject = new_subject()
    with pytest.raises(ValueError, match="no"):
        subject.execute(options("k", user_id), Calls(raises=ValueError("no")))
    subject.execute(options("k", user_id), Calls())
    logged = [(row["of"], row["flushed"]) for row in database.all("SELECT * FROM commits")]
    steps = ["INSERT running", "UPDATE failed", "UPDATE running", "UPDATE completed"]
    assert logged == [(step, flushed) for step in steps]


def test_a_key_that_the_host_is_inserting_is_waited_for_no_longer_than_a_bound(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    calls = Calls()
    with database.locked(
        "INSERT INTO workflow_executions (id, workflow_id, user_id, status)"
        " VALUES ('k', 'w', %s, 'pending')",
        str(user_id),
    ):
        began = time.monotonic()
        with pytest.raises(ExecutionInProgressError) as caught:
            subject.execute(options("k", user_id), calls)
        assert 1 < time.monotonic() - began < 5
        assert caught.value.retry_after is not None
    assert calls.count == 0
    assert subject.execute_idempotent(options("k", user_id), calls) == "done"


def test_a_row_that_the_host_has_locked_is_waited_for_no_longer_than_a_bound(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    calls = Calls()
    subject.create_execution(options("k", user_id))
    with database.locked("SELECT 1 FROM workflow_executions FOR UPDATE"):
        began = time.monotonic()
        with pytest.raises(ExecutionInProgressError):
            subject.execute(options("k", user_id), calls)
        assert 1 < time.monotonic() - began < 5
    assert calls.count == 0
    assert subject.execute_idempotent(options("k", user_id), calls) == "done"


def test_a_locked_row_can_still_be_replayed_and_read(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    subject.execute(options("k", user_id), Calls())
    with database.locked("SELECT 1 FROM workflow_executions FOR UPDATE"):
        began = time.monotonic()
        assert subject.execute(options("k", user_id), Calls()).cached
        assert subject.get_execution("k").result == "done"
        assert time.monotonic() - began < 1


def test_rows_of_the_host_that_refer_to_an_execution_do_not_hold_it_up(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    database.run("CREATE TABLE child (execution_id text REFERENCES workflow_executions)")
    with pytest.raises(ValueError, match="no"):
        subject.execute(options("k", user_id), Calls(raises=ValueError("no")))
    with database.locked("INSERT INTO child VALUES ('k')"):
        began = time.monotonic()
        assert subject.execute_idempotent(options("k", user_id), Calls("now")) == "now"
        assert time.monotonic() - began < 1


def test_a_row_that_the_host_locks_over_the_end_of_the_function_is_completed_afterwards(
    subject: Subject, user_id: UUID, database: Database, running: Running
) -> None:
    executor, first = running(subject, options("k", user_id))
    with database.locked("SELECT 1 FROM workflow_executions FOR UPDATE"):
        executor.release()
        time.sleep(2.5)
        assert not first.done()
    assert first.result() == "done"
    assert database.row("k")["status"] == "completed"


def test_a_row_that_is_deleted_under_its_owner_costs_the_claim_and_not_the_result(
    subject: Subject, user_id: UUID, database: Database, running: Running
) -> None:
    executor, first = running(subject, options("k", user_id))
    database.run("DELETE FROM workflow_executions")
    executor.release()
    error = first.exception()
    assert isinstance(error, LeaseLostError)
    assert error.result == "done"


def test_a_user_who_is_deleted_takes_the_executions_along(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    with pytest.raises(ValueError, match="no"):
        subject.execute(options("k", user_id), Calls(raises=ValueError("no")))
    database.run("DELETE FROM auth.users WHERE id = %s", str(user_id))
    assert subject.get_execution("k") is None
    assert database.attempts("k") == []

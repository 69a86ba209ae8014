"""Under stricter isolation: our own transaction is repeated, the host's is the host's to repeat."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from exec_tracker import StorageError, TransientStorageError
from tests.support.executors import options
from tests.transactional.hosts import writing

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from tests.support.database import Database
    from tests.support.fixtures import Background
    from tests.transactional.conftest import Ledger, NewHost

strict = pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
THREADS = 8


@strict
def test_eight_threads_that_update_one_row_are_repeated_until_each_has_run_once(
    new_host: NewHost, user_id: UUID, background: Background, database: Database, level: str
) -> None:
    host = new_host(pool_size=THREADS, isolation_level=level)
    database.run("CREATE TABLE counter AS SELECT 0 AS value")
    ready = threading.Barrier(THREADS)

    def count(session: Session) -> int:
        value = session.scalar(text("SELECT value FROM counter"))
        session.execute(text("UPDATE counter SET value = :next"), {"next": value + 1})
        return int(value) + 1

    def call(number: int) -> Any:
        ready.wait(10)
        return host.execute_in_transaction(options(f"k{number}", user_id), count, result_type=int)

    results = [one.result(60) for one in [background(call, n) for n in range(THREADS)]]
    assert sorted(results) == list(range(1, THREADS + 1))
    assert database.value("SELECT value FROM counter") == THREADS
    assert database.value("SELECT count(*) FROM workflow_executions WHERE attempt = 1") == THREADS


@strict
def test_eight_threads_on_one_key_write_once(
    new_host: NewHost, user_id: UUID, ledger: Ledger, background: Background, level: str
) -> None:
    host = new_host(pool_size=THREADS, isolation_level=level)
    ready = threading.Barrier(THREADS)

    def call(number: int) -> Any:
        ready.wait(10)
        return host.execute_in_transaction(options("k", user_id), writing("a", result=number))

    results = {one.result(60) for one in [background(call, n) for n in range(THREADS)]}
    assert len(results) == 1
    assert ledger.notes == {"a"}


@strict
def test_a_conflict_in_the_hosts_session_is_transient_and_the_host_repeats(
    new_host: NewHost, user_id: UUID, ledger: Ledger, level: str
) -> None:
    host = new_host(isolation_level=level)
    with host.session() as session:
        session.run(lambda it: it.scalar(text("SELECT count(*) FROM workflow_executions")))
        host.execute_in_transaction(options("k", user_id), writing("a", result="first"))
        with pytest.raises(TransientStorageError) as caught:
            session.execute_in_transaction(options("k", user_id), writing("b"))
        assert caught.value.sqlstate == "40001"
        session.rollback()
        assert session.execute_in_transaction(options("k", user_id), writing("b")) == "first"
        session.commit()
    assert ledger.notes == {"a"}


def test_a_deadlock_between_two_own_transactions_is_repeated(
    new_host: NewHost, user_id: UUID, ledger: Ledger, background: Background, database: Database
) -> None:
    host = new_host()
    database.run("CREATE TABLE account AS SELECT unnest(ARRAY['x', 'y']) AS name, 0 AS paid")

    def pay(first: str, second: str) -> Any:
        def work(session: Session) -> str:
            pay_one = text("UPDATE account SET paid = paid + 1 WHERE name = :name")
            session.execute(pay_one, {"name": first})
            session.execute(text("SELECT pg_sleep(0.3)"))  # so that the other has begun as well
            session.execute(pay_one, {"name": second})
            return "done"

        return host.execute_in_transaction(options(first, user_id), work, result_type=str)

    ends = [background(pay, "x", "y"), background(pay, "y", "x")]
    assert [one.result(30) for one in ends] == ["done", "done"]
    assert database.all("SELECT DISTINCT paid FROM account") == [{"paid": 2}]
    assert database.value("SELECT count(*) FROM workflow_executions WHERE attempt = 1") == 2
    assert database.all("SELECT * FROM workflow_execution_attempts") == []


@pytest.mark.parametrize("commits", [True, False], ids=["commits", "rolls back"])
def test_a_deadlock_in_the_hosts_session_leaves_no_open_claim(
    new_host: NewHost, user_id: UUID, ledger: Ledger, database: Database, commits: bool
) -> None:
    host = new_host()
    raise_it = text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01', MESSAGE = 'dead'; END $$")

    def work(session: Session) -> Any:
        writing("a")(session)
        return session.execute(raise_it)

    with host.session() as session:
        session.write("mine")
        with pytest.raises(Exception, match="dead"):
            session.execute_in_transaction(options("k", user_id), work)
        session.commit() if commits else session.rollback()
    assert ledger.notes == ({"mine"} if commits else set())
    assert database.all("SELECT * FROM workflow_executions") == []


def test_a_conflict_that_never_ends_reaches_the_caller(
    new_host: NewHost, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    host = new_host()
    runs: list[int] = []

    def work(session: Session) -> Any:
        runs.append(1)
        code = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = 'again'; END $$"
        return session.execute(text(code))

    with pytest.raises(Exception, match="again"):
        host.execute_in_transaction(options("k", user_id), work)
    assert 2 <= len(runs) <= 20
    assert database.all("SELECT * FROM workflow_executions WHERE status = 'running'") == []


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_a_read_only_transaction_of_the_host_gets_the_stored_result_and_runs_nothing(
    new_host: NewHost, user_id: UUID, ledger: Ledger, level: str
) -> None:
    host = new_host(isolation_level=level)
    host.execute_in_transaction(options("k", user_id), writing("a"))
    with host.session() as session:
        session.run(lambda it: it.execute(text("SET TRANSACTION READ ONLY")))
        assert session.execute_in_transaction(options("k", user_id), writing("b")) == "done"
        with pytest.raises(StorageError, match="read-only"):
            session.execute_in_transaction(options("new", user_id), writing("b"))
        session.run(lambda it: it.execute(text("SELECT 1")))
    assert ledger.notes == {"a"}

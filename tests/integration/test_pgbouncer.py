"""Behind pgbouncer in transaction mode: all that is promised holds, and nothing stays behind."""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg2
import pytest
from sqlalchemy import text

from exec_tracker import ExecutionStatus, LeaseLostError
from tests.support.database import eventually
from tests.support.executors import Calls, Held, options
from tests.support.pgbouncer import (
    SERVER_CONNECTIONS,
    backends,
    leftovers,
    pgbouncer,
    program,
    server_sessions,
)
from tests.transactional.hosts import open_host, writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from exec_tracker.testing import DatabaseClock
    from tests.support.database import Database
    from tests.support.fixtures import Background, NewSubject, Running
    from tests.support.subjects import Subject
    from tests.transactional.hosts import Host

pytestmark = pytest.mark.skipif(
    program() is None, reason="pgbouncer is not installed: apt-get install pgbouncer"
)

HOST_ENGINES: Final[dict[str, dict[str, Any]]] = {
    "sync-psycopg2": {},
    "sync-psycopg3": {"connect_args": {"prepare_threshold": None}},
    "async-psycopg3": {"connect_args": {"prepare_threshold": None}},
    "async-asyncpg": {
        "connect_args": {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
    },
}
"""What docs/howto/pgbouncer.md asks of a host's engine."""

HOUR = timedelta(hours=1)
SHORT = timedelta(seconds=0.6)
THREADS = 16


@pytest.fixture
def pooled_url(database: Database) -> Iterator[str]:
    """The test's database through the pooler; every session in it is looked at afterwards."""
    with pgbouncer(database.url) as url:
        yield url
        assert leftovers(database, url) == []
        seen = {session["pid"] for session in server_sessions(url)}
        # Direct connections of the test's own take a moment to end.
        eventually(lambda: backends(database) <= seen)


@pytest.fixture(params=["own engine", "host's engine"])
def settings(request: pytest.FixtureRequest, driver: str) -> dict[str, Any]:
    """A tracker made from a URL, or one on an engine made as the guide says."""
    return {"own_engine": True} if request.param == "own engine" else _host(driver)


def _host(driver: str) -> dict[str, Any]:
    return {"engine": {"pool_size": THREADS, "pool_pre_ping": True, **HOST_ENGINES[driver]}}


@pytest.fixture
def subject(new_subject: NewSubject, pooled_url: str, settings: dict[str, Any]) -> Subject:
    return new_subject(pooled_url, **settings)


@pytest.fixture
def host(driver: str, pooled_url: str, database: Database) -> Iterator[Host]:
    database.run("CREATE TABLE ledger (id serial PRIMARY KEY, note text UNIQUE)")
    with open_host(driver, pooled_url, **HOST_ENGINES[driver]) as host:
        yield host


def notes(database: Database) -> list[str]:
    return [row["note"] for row in database.all("SELECT note FROM ledger ORDER BY note")]


def test_work_runs_once_and_is_replayed(subject: Subject, user_id: UUID) -> None:
    calls = Calls({"charge": "ch_1"})
    for number in range(5 * SERVER_CONNECTIONS):
        done = subject.execute(options("k", user_id, parameters={"amount": 5}), calls)
        assert (done.data, done.cached) == ({"charge": "ch_1"}, number > 0)
    assert calls.count == 1


def test_one_of_many_threads_runs_and_the_others_adopt(
    subject: Subject, user_id: UUID, background: Background, database: Database
) -> None:
    keys, calls = ("a", "b"), {"a": Calls("of a"), "b": Calls("of b")}
    futures = [
        background(subject.execute_idempotent, options(key, user_id), calls[key], on_running="wait")
        for key in keys * THREADS
    ]
    assert [future.result() for future in futures] == ["of a", "of b"] * THREADS
    assert [calls[key].count for key in keys] == [1, 1]
    eventually(lambda: len(backends(database)) <= SERVER_CONNECTIONS)


def test_many_keys_at_once_get_their_own_results(
    subject: Subject, user_id: UUID, background: Background
) -> None:
    def work(key: str) -> list[Any]:
        first = subject.execute_idempotent(options(key, user_id), Calls(key))
        stored = subject.get_execution(key)
        return [first, stored.result, subject.execute(options(key, user_id), Calls()).data]

    keys = [f"k{number}" for number in range(4 * THREADS)]
    futures = [background(work, key) for key in keys]
    assert [future.result() for future in futures] == [[key] * 3 for key in keys]


def test_a_lease_shorter_than_the_work_is_kept_alive(
    subject: Subject, user_id: UUID, running: Running
) -> None:
    executor, first = running(subject, options("k", user_id), lease=SHORT)
    ends = time.monotonic() + 2.5 * SHORT.total_seconds()
    while time.monotonic() < ends:
        assert not subject.get_execution("k").is_abandoned
        time.sleep(0.05)
    executor.release()
    assert first.result() == "done"


def test_an_abandoned_execution_is_taken_over_and_its_owner_fenced(
    subject: Subject, user_id: UUID, running: Running, database_clock: DatabaseClock
) -> None:
    stalled, first = running(subject, options("k", user_id), Held("late"), lease=HOUR)
    database_clock.advance(HOUR)
    taken = subject.execute(options("k", user_id), Calls("taken"), on_abandoned="retry")
    stalled.release()
    assert (taken.data, taken.execution.attempt) == ("taken", 2)
    assert isinstance(first.exception(), LeaseLostError)
    assert [one.attempt for one in subject.get_attempts("k")] == [1]
    assert subject.get_execution("k").result == "taken"


def test_a_failure_is_stored_and_retried(subject: Subject, user_id: UUID) -> None:
    with pytest.raises(ValueError, match="no"):
        subject.execute(options("k", user_id), Calls(raises=ValueError("no")))
    assert subject.execute(options("k", user_id), Calls("yes")).execution.attempt == 2


def test_a_waiter_adopts_what_another_process_finishes(
    subject: Subject, user_id: UUID, background: Background
) -> None:
    subject.create_execution(options("k", user_id))
    token = subject.mark_running("k", lease=HOUR).claim_token
    waiting = background(subject.wait, "k", timedelta(seconds=30))
    joining = background(
        subject.execute_idempotent, options("k", user_id), Calls("mine"), on_running="wait"
    )
    time.sleep(0.2)
    subject.mark_completed("k", "theirs", claim_token=token)
    assert waiting.result().result == "theirs"
    assert joining.result() == "theirs"


def test_listings_and_purges_see_what_was_run(subject: Subject, user_id: UUID) -> None:
    for number in range(4):
        subject.execute(options(f"k{number}", user_id), Calls(number))
    subject.create_execution(options("pending", user_id))
    newest = subject.get_recent_executions(user_id, limit=2)
    rest = subject.get_recent_executions(user_id, before=newest[-1])
    assert [one.id for one in (*newest, *rest)] == ["pending", "k3", "k2", "k1", "k0"]
    pending = subject.get_executions_by_status(user_id, ExecutionStatus.PENDING)
    assert [one.id for one in pending] == ["pending"]
    assert len(subject.get_executions_by_workflow("w", user_id)) == 5
    assert subject.purge(timedelta(0)) == 4


def test_own_transactions_commit_work_and_outcome_together(
    host: Host, user_id: UUID, database: Database, background: Background
) -> None:
    futures = [
        background(host.execute_in_transaction, options("k", user_id), writing("a", result=7))
        for _ in range(THREADS)
    ]
    assert [future.result() for future in futures] == [7] * THREADS
    with pytest.raises(ValueError, match="no"):
        host.execute_in_transaction(options("l", user_id), writing("b", raises=ValueError("no")))
    assert notes(database) == ["a"]
    assert database.row("l")["status"] == "failed"


def test_the_hosts_transaction_decides_about_work_and_outcome(
    host: Host, user_id: UUID, database: Database
) -> None:
    for number in range(2 * SERVER_CONNECTIONS):
        with host.session() as session:
            session.write(f"host {number}")
            session.execute_in_transaction(options("k", user_id), writing("a", result=7))
            session.rollback()
    with host.session() as session:
        assert session.execute_in_transaction(options("k", user_id), writing("a", result=7)) == 7
        waited = session.run(lambda one: one.scalar(text("SHOW lock_timeout")))
        session.commit()
    assert notes(database) == ["a"]
    assert waited == database.value("SHOW lock_timeout")


def test_clients_of_this_pooler_are_moved_between_server_connections(pooled_url: str) -> None:
    with contextlib.closing(psycopg2.connect(pooled_url)) as connection:
        connection.autocommit = True
        assert len({row["pid"] for row in server_sessions(pooled_url)}) == SERVER_CONNECTIONS
        pids = []
        for _ in range(SERVER_CONNECTIONS):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                pids += cursor.fetchone()
    assert len(set(pids)) == SERVER_CONNECTIONS


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("SET lock_timeout = '2s'", "settings"),
        ("SET search_path = pg_catalog", "named"),
        ("SELECT pg_advisory_lock(1)", "advisory_locks"),
        ("PREPARE one AS SELECT 1", "prepared_statements"),
        ("LISTEN one", "channels"),
        ("CREATE TEMPORARY TABLE one ()", "temporary_schema"),
    ],
)
def test_what_a_client_leaves_behind_would_be_seen(
    database: Database, statement: str, what: str
) -> None:
    with pgbouncer(database.url) as url, contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement)
        (left,) = eventually(lambda: leftovers(database, url))
        assert what in left

"""A tracker made from a URL keeps connections of its own: bounded, replaced, and closed in time."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.engine import make_url

from exec_tracker import ConfigurationError, ExecutionTracker, leases
from tests.support.database import Database, eventually
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from tests.support.fixtures import Background, NewSubject

# SQLAlchemy's default pool, and the heartbeat's connection.
MOST = 15 + 1
OTHERS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)
PIDS = f"SELECT coalesce(array_agg(pid ORDER BY pid), '{{}}') {OTHERS}"
COUNT = f"SELECT count(*) {OTHERS}"
WAITING = f"{COUNT} AND wait_event_type = 'Lock'"
TERMINATE = f"SELECT count(pg_terminate_backend(pid)) {OTHERS}"


def terminate(database: Database) -> int:
    """Have the server end all connections, and wait until it has."""
    ended = int(database.value(TERMINATE))
    eventually(lambda: database.value(COUNT) == 0)
    return ended


@pytest.fixture(params=["psycopg2", "psycopg"])
def url(request: pytest.FixtureRequest, database_url: str) -> str:
    return over(database_url, str(request.param))


def over(url: str, driver: str) -> str:
    fitting = make_url(url).set(drivername=f"postgresql+{driver}")
    return fitting.render_as_string(hide_password=False)


def test_more_threads_than_connections_wait_for_each_other(
    url: str, user_id: UUID, database: Database, background: Background
) -> None:
    with ExecutionTracker(url) as tracker:
        tracker.get_execution("warm")
        with database.locked("LOCK workflow_executions IN SHARE MODE"):
            claims = [
                background(tracker.execute_idempotent, options(f"k-{n}", user_id), Calls(n))
                for n in range(40)
            ]
            eventually(lambda: database.value(WAITING) == MOST - 1)
            assert database.value(COUNT) <= MOST + 1  # which holds the lock
        assert [one.result(30) for one in claims] == list(range(40))
        assert database.value(COUNT) <= MOST
    eventually(lambda: database.value(COUNT) == 0)


def test_nobody_hears_of_connections_that_ended_while_they_were_idle(
    new_subject: NewSubject, user_id: UUID, database: Database
) -> None:
    """Such as after a restart of the server: whatever is called first."""
    subject = new_subject(own_engine=True)
    subject.create_execution(options("old", user_id))
    calls: list[Callable[[], Any]] = [
        lambda: subject.get_execution("old"),
        lambda: subject.create_execution(options("new", user_id)),
        lambda: subject.mark_completed("old", 1),
        lambda: subject.get_recent_executions(user_id),
        lambda: subject.execute(options("fresh", user_id), Calls()),
        lambda: subject.execute_in_transaction(options("own", user_id), lambda _session: 1),
    ]
    for call in calls:
        time.sleep(0.1)  # for so long nobody looks: a server is not back so soon
        assert terminate(database) >= 1
        assert call() is not None


def test_all_connections_that_ended_are_replaced(
    url: str, user_id: UUID, database: Database, background: Background
) -> None:
    def together(name: str) -> list[Any]:
        ready = threading.Barrier(15)

        def one(number: int) -> Any:
            ready.wait(30)
            return tracker.execute_idempotent(options(f"{name}-{number}", user_id), Calls(number))

        return [one.result(60) for one in [background(one, number) for number in range(15)]]

    with ExecutionTracker(url) as tracker:
        assert together("before") == list(range(15))
        time.sleep(0.1)
        assert terminate(database) >= 2
        assert together("after") == list(range(15))


def test_a_tracker_that_is_closed_in_full_swing_ends_what_has_begun_and_keeps_nothing(
    url: str, user_id: UUID, database: Database, background: Background
) -> None:
    begun = threading.Event()

    def one(number: int) -> Any:
        try:
            result = tracker.execute_idempotent(options(f"k-{number}", user_id), Calls(number))
        except ConfigurationError:
            return "refused"
        begun.set()
        return result

    tracker = ExecutionTracker(url)
    running = [background(one, number) for number in range(200)]
    assert begun.wait(30)
    tracker.close()
    answers = Counter(type(one.result(60)) for one in running)
    stored = database.value("SELECT count(*) FROM workflow_executions WHERE status = 'completed'")
    assert answers[int] == stored >= 1
    eventually(lambda: database.value(COUNT) == 0)


def test_a_tracker_that_is_dropped_takes_its_thread_and_its_connections_along(
    database: Database, user_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_IDLE_SECONDS", 0.05)
    tracker = ExecutionTracker(over(database.url, "psycopg2"), lease=timedelta(seconds=0.3))
    tracker.execute(options("k", user_id), Calls())
    del tracker

    def gone() -> bool:
        gc.collect()
        return bool(database.value(COUNT) == 0)

    eventually(gone)


FORKING = """
import asyncio, os, sys
from exec_tracker import AsyncExecutionTracker, ExecutionTracker

url, user, what = sys.argv[1:]
if "asyncpg" in url:
    tracker, run = AsyncExecutionTracker(url), asyncio.new_event_loop().run_until_complete
else:
    tracker, run = ExecutionTracker(url), lambda answer: answer

def use():
    run(tracker.get_execution("k"))
    run(tracker.get_recent_executions(user))

use()
print("opened", flush=True)
sys.stdin.readline()
child = os.fork()
if child == 0:
    if "asyncpg" in url:
        run = asyncio.new_event_loop().run_until_complete
    if "use" in what:
        use()
    run(tracker.aclose() if "asyncpg" in url else tracker.close())
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg", "asyncpg"])
@pytest.mark.parametrize("what", ["close", "use and close"])
def test_a_forked_process_that_closes_the_tracker_leaves_its_parent_the_connections(
    database: Database, user_id: UUID, driver: str, what: str
) -> None:
    url = over(database.url, driver)
    with subprocess.Popen(
        [sys.executable, "-c", FORKING, url, str(user_id), what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert parent.stdout.readline() == "opened\n"
        before = database.value(PIDS)
        parent.stdin.write("go on\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "0\n"
        eventually(lambda: set(database.value(PIDS)) <= set(before))
        assert database.value(PIDS) == before
        parent.stdin.close()

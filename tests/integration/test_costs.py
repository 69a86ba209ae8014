"""What one execution may cost: statements, round trips, commits, flushes, WAL, memory.

Counts and not times, so that they hold on any machine. On a server of their own: the server's
counters are for all of it.
"""

from __future__ import annotations

import gc
import itertools
import time
import tracemalloc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from benchmarks.wire import Traffic, tapped
from exec_tracker import ExecuteOptions, migrations, snapshots
from exec_tracker.embedded import EmbeddedPostgres
from exec_tracker.snapshots import snapshot
from tests.support.database import Database, eventually
from tests.support.subjects import Subject, open_subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USER = UUID(int=1)
TIMES = 20
# psycopg prepares a statement that it has seen five times; SQLAlchemy and asyncpg have caches.
WARM_UP = 10
# Nothing but our statements writes WAL: no vacuum, no checkpoint, no snapshots for standbys.
QUIET = {
    "autovacuum": "off",
    "checkpoint_timeout": "1d",
    "max_wal_senders": "0",
    "wal_level": "minimal",
}

_keys = itertools.count()


@pytest.fixture(scope="module")
def quiet_url() -> Iterator[str]:
    with EmbeddedPostgres(settings=QUIET) as server:
        migrations.upgrade(server.url)
        Database(server.url).run("INSERT INTO auth.users (id) VALUES (%s)", str(USER))
        yield server.url


@pytest.fixture
def quiet(quiet_url: str) -> Database:
    return Database(quiet_url)


@pytest.fixture(params=[False, True], ids=["host's engine", "own engine"])
def own_engine(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def options(key: str) -> ExecuteOptions:
    return ExecuteOptions(idempotency_key=key, workflow_id="w", user_id=USER)


def new_key() -> str:
    return f"k{next(_keys)}"


def fresh(subject: Subject, times: int = TIMES) -> None:
    for _ in range(times):
        assert subject.execute_idempotent(options(new_key()), lambda: {"charge": 1}) is not None


def replay(subject: Subject, key: str, times: int = TIMES) -> None:
    for _ in range(times):
        assert subject.execute_idempotent(options(key), lambda: {"charge": 2}) == {"charge": 1}


def completed(subject: Subject) -> str:
    """Return a key that has its result, with every cache and every page warm."""
    key = new_key()
    subject.execute_idempotent(options(key), lambda: {"charge": 1})
    fresh(subject, WARM_UP)
    replay(subject, key, WARM_UP)
    return key


@contextmanager
def watched(
    url: str, driver: str, *, own_engine: bool
) -> Iterator[tuple[Subject, Callable[[], Traffic]]]:
    """Yield a tracker whose traffic is counted, and what reads the counts."""
    with (
        tapped(url) as (over_wire, wire),
        open_subject(driver, over_wire, own_engine=own_engine) as subject,
    ):
        yield subject, wire.seen


def test_a_fresh_execution_is_two_statements_two_round_trips_and_two_commits(
    quiet_url: str, driver: str, own_engine: bool
) -> None:
    with watched(quiet_url, driver, own_engine=own_engine) as (subject, seen):
        completed(subject)
        before = seen()
        fresh(subject)
        assert seen() - before == Traffic(2 * TIMES, 2 * TIMES, 2 * TIMES)


def test_a_replay_is_at_most_two_statements_and_round_trips(
    quiet_url: str, driver: str, own_engine: bool
) -> None:
    with watched(quiet_url, driver, own_engine=own_engine) as (subject, seen):
        key = completed(subject)
        before = seen()
        replay(subject, key)
        sent = seen() - before
    assert TIMES <= sent.statements <= 2 * TIMES
    assert sent.round_trips == sent.statements


def test_a_replay_writes_nothing_and_so_flushes_nothing(quiet: Database, driver: str) -> None:
    with open_subject(driver, quiet.url) as subject:
        key = completed(subject)
        before = written(quiet)
        replay(subject, key)
        assert written(quiet) == before


def test_a_replay_waits_for_no_lock_and_leaves_none(quiet: Database, driver: str) -> None:
    with open_subject(driver, quiet.url) as subject:
        key = completed(subject)
        before = quiet.value("SELECT xmax::text FROM workflow_executions WHERE id = %s", key)
        with quiet.locked("LOCK workflow_execution_attempts IN ACCESS EXCLUSIVE MODE"):
            replay(subject, key, 1)
        assert (
            quiet.value("SELECT xmax::text FROM workflow_executions WHERE id = %s", key) == before
        )
        with quiet.locked("SELECT FROM workflow_executions WHERE id = %s FOR UPDATE", key):
            replay(subject, key, 1)


def test_no_snapshot_is_made_unless_somebody_asks_for_it(
    quiet_url: str, driver: str, own_engine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def noticed(row: Any) -> Any:
        made.append(row)
        return snapshot(row)

    with open_subject(driver, quiet_url, own_engine=own_engine) as subject:
        key = completed(subject)
        monkeypatch.setattr(snapshots, "snapshot", noticed)
        fresh(subject)
        replay(subject, key)
        assert made == []
        subject.get_execution(key)
        assert len(made) == 1


def test_a_fresh_execution_is_flushed_twice(quiet: Database, driver: str) -> None:
    def flushed_by(times: int) -> float:
        before = flushes(quiet)
        with open_subject(driver, quiet.url) as subject:
            completed(subject)
            fresh(subject, times)
        return flushes(quiet) - before

    few = flushed_by(TIMES)
    # Another process of the server may flush at the same moment, and take one off a commit.
    assert (flushed_by(6 * TIMES) - few) / (5 * TIMES) == pytest.approx(2, abs=0.1)


def test_a_fresh_execution_writes_a_bounded_amount_of_wal(quiet: Database, driver: str) -> None:
    with open_subject(driver, quiet.url) as subject:
        completed(subject)
        before = written(quiet)
        fresh(subject, 5 * TIMES)
        assert (written(quiet) - before) / (5 * TIMES) < 4_000


def test_no_execution_is_found_by_its_status(quiet: Database, driver: str) -> None:
    """The index on statuses has every row that was running since the last vacuum."""

    def fail() -> None:
        raise RuntimeError

    before = scans_by_status(quiet)
    with open_subject(driver, quiet.url, own_engine=True) as subject:
        fresh(subject)
        for _ in range(TIMES):
            again = options(new_key())
            with pytest.raises(RuntimeError):
                subject.execute(again, fail)
            subject.execute(again, lambda: 1)
        subject.execute_many([options(new_key()) for _ in range(TIMES)], lambda: 1)
    assert scans_by_status(quiet) == before


def test_a_transactional_execution_is_one_commit(
    quiet_url: str, driver: str, own_engine: bool
) -> None:
    with watched(quiet_url, driver, own_engine=own_engine) as (subject, seen):
        run_in_transactions(subject, WARM_UP)
        before = seen()
        run_in_transactions(subject, TIMES)
        sent = seen() - before
    assert sent.commits == TIMES
    assert sent.round_trips <= 16 * TIMES


def test_executions_leave_nothing_in_memory(quiet_url: str, driver: str) -> None:
    with open_subject(driver, quiet_url, own_engine=True) as subject:
        key = completed(subject)
        tracemalloc.start()
        try:
            run_both(subject, key, 8)
            before = in_use()
            tracemalloc.reset_peak()
            # What grows grows each time; caches that fill, and other threads, do not.
            left = min(left_by(lambda: run_both(subject, key, 5)) for _ in range(4))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert left / (2 * 5 * TIMES) < 50, f"{left} bytes are left"
    assert peak - before < 1_000_000


def left_by(work: Callable[[], None]) -> int:
    before = in_use()
    work()
    return in_use() - before


def run_both(subject: Subject, key: str, rounds: int) -> None:
    for _ in range(rounds):
        fresh(subject)
        replay(subject, key)


def in_use() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def run_in_transactions(subject: Subject, times: int) -> None:
    for _ in range(times):
        subject.execute_in_transaction(options(new_key()), lambda _session: {"charge": 1})


def written(database: Database) -> int:
    """Return the bytes of WAL that the server has written since it was made."""
    return int(database.value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))


def scans_by_status(database: Database) -> int:
    """Return how often the index on statuses was read, once others have handed in their counts."""
    until_others_are_gone(database)
    query = (
        "SELECT idx_scan FROM pg_stat_user_indexes"
        " WHERE indexrelname = 'idx_workflow_executions_status'"
    )
    return int(database.value(query))


def until_others_are_gone(database: Database) -> None:
    others = (
        "SELECT count(*) = 0 AS gone FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    eventually(lambda: database.value(others))


def flushes(database: Database) -> float:
    """Return how often WAL was flushed, once every other session has handed in its counts."""
    until_others_are_gone(database)
    version = int(database.value("SELECT current_setting('server_version_num')::integer"))
    if version < 150000:
        time.sleep(1)  # its collector hands out figures that are half a second old
    if version < 180000:
        return float(database.value("SELECT wal_sync FROM pg_stat_wal"))
    query = (
        "SELECT sum(fsyncs) FROM pg_stat_io"
        " WHERE object = 'wal' AND backend_type = 'client backend'"
    )
    return float(database.value(query))

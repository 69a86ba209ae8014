"""A table full of rows is adopted and upgraded while workers go on working.

EXEC_TRACKER_TEST_ROWS says how many rows; the figures in the documentation were measured with a
million.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, create_engine, text

from exec_tracker import migrations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS = int(os.environ.get("EXEC_TRACKER_TEST_ROWS", "50000"))
WORKERS = 8
LONGEST_DELAY = 2.0
SPECIFIED = Path(__file__).with_name("specified_schema.sql")
USER = uuid.UUID(int=1)

FILL = f"""
INSERT INTO auth.users VALUES ('{USER}');
INSERT INTO workflow_executions (id, workflow_id, user_id, status, result, parameters, created_at)
SELECT 'old-' || n, 'w' || mod(n, 10), '{USER}', 'completed', '{{"n": 1}}', '{{"a": "b"}}',
       now() - n * interval '1 second'
  FROM generate_series(1, {ROWS}) AS n;
"""

# What a host's own code did before there was a tracker.
BY_HAND = (
    (
        "INSERT INTO workflow_executions (id, workflow_id, user_id, status, started_at) "
        "VALUES (:id, 'w', :user, 'running', now()) ON CONFLICT (id) DO NOTHING"
    ),
    "SELECT id FROM workflow_executions WHERE user_id = :user AND id = :id",
    (
        "UPDATE workflow_executions SET status = 'completed', result = '{}', completed_at = now() "
        "WHERE id = :id"
    ),
)

# What a library sends that knows the claim, and none of the later revisions.
OLDER_LIBRARY = (
    (
        "INSERT INTO workflow_executions AS e (id, workflow_id, user_id, status, started_at, "
        "attempt, claim_token, lease_expires_at) VALUES (:id, 'w', :user, 'running', "
        "clock_timestamp(), 1, :token, clock_timestamp() + interval '60 s') "
        "ON CONFLICT (id) DO NOTHING RETURNING e.id"
    ),
    (
        "UPDATE workflow_executions SET status = 'completed', result = '{}', "
        "completed_at = clock_timestamp(), lease_expires_at = NULL "
        "WHERE id = :id AND claim_token = :token AND status = 'running' RETURNING id"
    ),
)


class Load:
    """Workers in threads, each of whose steps is timed."""

    def __init__(self, step: Callable[[int, int], Iterator[None]]) -> None:
        self._step = step
        self._stop = threading.Event()
        self.longest = 0.0
        self.done = 0

    def _work(self, worker: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            began = time.monotonic()
            for _ in self._step(worker, number):
                now = time.monotonic()
                self.longest = max(self.longest, now - began)
                began = now
            self.done += 1

    def during(self, upgrade: Callable[[], Any]) -> float:
        """Return how long the upgrade took; workers' errors are raised."""
        with ThreadPoolExecutor(WORKERS) as pool:
            workers = [pool.submit(self._work, worker) for worker in range(WORKERS)]
            time.sleep(0.5)
            began = time.monotonic()
            try:
                upgrade()
            finally:
                took = time.monotonic() - began
                time.sleep(0.5)
                self._stop.set()
            for worker in workers:
                worker.result()
        return took


def report(load: Load, took: float) -> None:
    print(  # noqa: T201 - the figures are the point
        f"{ROWS:,} rows: upgraded in {took:.1f} s; {load.done:,} executions meanwhile by "
        f"{WORKERS} workers, longest step {load.longest * 1000:.0f} ms"
    )


def make_by_hand(engine: Engine, psql: Callable[..., str]) -> None:
    migrations.upgrade(engine, "0001_exec_tracker")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"DROP TABLE workflow_executions, {migrations.VERSION_TABLE}; "
            "DROP FUNCTION update_workflow_execution_updated_at()"
        )
    psql(engine.url, SPECIFIED.read_text() + FILL)
    migrations.stamp(engine, "0001")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_full_table_is_adopted_while_workers_write_to_it_by_hand(
    engine: Engine, psql: Callable[..., str]
) -> None:
    make_by_hand(engine, psql)
    pooled = create_engine(engine.url, pool_size=WORKERS)

    def step(worker: int, number: int) -> Iterator[None]:
        values = {"id": f"new-{worker}-{number}", "user": USER}
        for statement in BY_HAND:
            with pooled.begin() as connection:
                connection.execute(text(statement), values)
            yield

    load = Load(step)
    took = load.during(lambda: migrations.upgrade(engine))
    pooled.dispose()
    report(load, took)
    assert migrations.check(engine) == []
    assert load.longest < LONGEST_DELAY
    with engine.connect() as connection:
        done = connection.scalar(
            text("SELECT count(*) FROM workflow_executions WHERE status = 'completed'")
        )
    assert done == ROWS + load.done


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_later_revision_comes_while_a_library_that_is_older_executes(
    engine: Engine,
) -> None:
    migrations.upgrade(engine, "0002_exec_tracker_claim")
    with engine.begin() as connection:
        connection.exec_driver_sql(FILL)
    pooled = create_engine(engine.url, pool_size=WORKERS, isolation_level="AUTOCOMMIT")

    def step(worker: int, number: int) -> Iterator[None]:
        values = {"id": f"new-{worker}-{number}", "user": USER, "token": uuid.uuid4()}
        for statement in OLDER_LIBRARY:
            with pooled.connect() as connection:
                found = connection.execute(text(statement), values).rowcount
            assert found == 1
            yield

    load = Load(step)
    took = load.during(lambda: migrations.upgrade(engine))
    pooled.dispose()
    report(load, took)
    assert migrations.check(engine) == []
    assert load.longest < LONGEST_DELAY
    with engine.connect() as connection:
        failed = connection.scalar(
            text("SELECT count(*) FROM workflow_executions WHERE status <> 'completed'")
        )
    assert failed == 0

"""Two upgraders at once, and an upgrade among working sessions."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, text

from exec_tracker import migrations

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]

ROWS = """
INSERT INTO auth.users VALUES ('11111111-1111-1111-1111-111111111111');
INSERT INTO workflow_executions (id, workflow_id, user_id, status)
SELECT 'k' || n, 'w', '11111111-1111-1111-1111-111111111111', 'completed'
  FROM generate_series(1, 20000) AS n
"""


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
@pytest.mark.parametrize("start", [None, "0004_exec_tracker_guard"])
def test_of_several_upgraders_at_once_one_waits_and_all_succeed(
    engine: Engine, driver: str, start: str | None
) -> None:
    if start:
        migrations.upgrade(engine, start)
        with engine.begin() as connection:
            connection.exec_driver_sql(ROWS)
    url = engine.url.set(drivername=f"postgresql+{driver}").render_as_string(hide_password=False)
    environment = {**os.environ, "EXEC_TRACKER_DATABASE_URL": url, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    runs = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    told = [run.communicate(timeout=60)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], told
    assert sum("Running upgrade" in output for output in told) == 1
    assert migrations.check(engine) == []


def test_threads_of_one_process_may_upgrade_at_once(engine: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrations.upgrade, [engine] * 4))
    assert migrations.check(engine) == []


def test_an_upgrader_waits_for_one_that_has_joined_a_transaction(engine: Engine) -> None:
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            migrations.upgrade(connection)
            waiting = pool.submit(migrations.upgrade, engine.url)
            time.sleep(0.5)
            assert not waiting.done()
        waiting.result(timeout=60)
    assert migrations.check(engine) == []


@pytest.mark.slow
def test_a_session_that_holds_the_table_delays_the_upgrade_and_nobody_else(engine: Engine) -> None:
    migrations.upgrade(engine, "0001_exec_tracker")
    held, longest = threading.Event(), 0.0
    with ThreadPoolExecutor(2) as pool:

        def hold() -> None:
            with engine.begin() as connection:
                connection.execute(text("SELECT count(*) FROM workflow_executions"))
                held.set()
                time.sleep(3)

        holding = pool.submit(hold)
        held.wait()
        upgrading = pool.submit(migrations.upgrade, engine)
        while not holding.done():
            began = time.monotonic()
            with engine.connect() as connection:
                connection.execute(text("SELECT count(*) FROM workflow_executions"))
            longest = max(longest, time.monotonic() - began)
        upgrading.result(timeout=60)
    assert longest < 2
    assert migrations.check(engine) == []


def test_an_upgrade_that_was_cut_off_between_indexes_goes_on(engine: Engine) -> None:
    migrations.upgrade(engine, "0004_exec_tracker_guard")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            # one is built and not yet renamed, its predecessor gone; of one a build has failed
            "CREATE INDEX idx_workflow_executions_user_id_new ON workflow_executions "
            "(user_id, created_at DESC, id DESC); DROP INDEX idx_workflow_executions_user_id; "
            "CREATE INDEX idx_workflow_executions_status_new ON workflow_executions (id); "
            "SET allow_system_table_mods = on; UPDATE pg_index SET indisvalid = false "
            "WHERE indexrelid = 'idx_workflow_executions_status_new'::regclass"
        )
    migrations.upgrade(engine)
    assert migrations.check(engine) == []
    with engine.connect() as connection:
        left = connection.scalar(
            text("SELECT count(*) FROM pg_class WHERE relname LIKE 'idx_workflow%_new'")
        )
    assert left == 0


def test_indexes_are_built_in_the_transaction_where_that_is_asked_for(
    engine: Engine, other_engine: Engine, dump: Callable[..., str]
) -> None:
    migrations.upgrade(engine, concurrently=False)
    migrations.upgrade(other_engine, concurrently=True)
    assert dump(engine.url) == dump(other_engine.url)

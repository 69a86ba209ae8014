"""The examples of docs/howto/celery.md, on a real broker."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.celery.premises import ROOT, Process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.database import Database

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "examples"


@pytest.fixture
def environment(broker: str, database_url: str) -> dict[str, str]:
    """Return what the examples are told by their environment."""
    return {
        **os.environ,
        "EXEC_TRACKER_DATABASE_URL": database_url,
        "CELERY_BROKER_URL": broker,
        "REDIS_URL": broker,
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
    }


def run(example: str, environment: dict[str, str]) -> list[str]:
    """Run an example to its end and return what it prints."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / example],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def worker(environment: dict[str, str], tmp_path: Path) -> Iterator[Process]:
    """Yield a worker of the Celery example."""
    command = [sys.executable, "-m", "celery", "--workdir", str(EXAMPLES), "-A", "celery_tasks"]
    started = Process([*command, "worker", "--loglevel", "INFO"], environment, tmp_path / "log")
    yield started
    started.kill()


def test_celery_tasks_that_are_sent_twice_count_once(
    worker: Process, environment: dict[str, str]
) -> None:
    worker.wait_until_ready()
    receipt = "{'cents': 4200, 'charge': 'ch_order:1042:charge'}"
    assert run("celery_tasks.py", environment) == [receipt, receipt, "mailed 1042", "mailed 1042"]
    assert worker.log.count("charging 4200 for 1042") == 1
    assert worker.log.count("mailing the receipt of 1042") == 1


def test_rq_jobs_that_are_queued_twice_count_once(
    environment: dict[str, str], database: Database, tmp_path: Path
) -> None:
    run("rq_jobs.py", environment)
    command = [sys.executable, "-m", "rq.cli", "worker", "--burst", "--path", str(EXAMPLES)]
    worker = Process([*command, "--url", environment["REDIS_URL"]], environment, tmp_path / "log")
    worker.process.wait(timeout=110)
    assert worker.log.count("Job OK") == 2, worker.log
    assert worker.log.count("issuing 7") == 1
    (row,) = database.all("SELECT status, attempt, result FROM workflow_executions")
    assert tuple(row.values()) == ("completed", 1, "invoice 7")

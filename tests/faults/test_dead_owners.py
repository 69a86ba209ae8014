"""Owners that are killed or stopped: reported, not run again unasked, and fenced when they wake."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from exec_tracker import ExecutionAbandonedError, ExecutionInProgressError
from tests.support import worker
from tests.support.database import eventually
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from uuid import UUID

    from exec_tracker.testing import DatabaseClock
    from tests.support.database import Database
    from tests.support.subjects import Subject

LEASE = timedelta(seconds=60)

Owner = "Callable[[float], subprocess.Popen[str]]"


@pytest.fixture
def effects(tmp_path: Path) -> Path:
    return tmp_path / "effects"


@pytest.fixture
def start_owner(
    driver: str, database: Database, user_id: UUID, effects: Path
) -> Iterator[Callable[[float], subprocess.Popen[str]]]:
    """Start a process that has the effect and then works on for some seconds."""
    owners: list[subprocess.Popen[str]] = []

    def start(seconds: float) -> subprocess.Popen[str]:
        owner = worker.start(
            "run",
            driver=driver,
            url=database.url,
            user=str(user_id),
            key="k",
            effects=str(effects),
            seconds=seconds,
            lease=LEASE.total_seconds(),
        )
        owners.append(owner)
        worker.wait_until_begun(owner)
        # Opened is not written: killed in between, the effect would not have happened.
        eventually(lambda: effects.exists() and bool(effects.read_text()))
        return owner

    yield start
    for owner in owners:
        owner.kill()
        owner.communicate()


def test_a_killed_owners_execution_is_abandoned_reported_and_not_run_again(
    subject: Subject,
    user_id: UUID,
    start_owner: Callable[[float], subprocess.Popen[str]],
    effects: Path,
    database_clock: DatabaseClock,
) -> None:
    owner = start_owner(60)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    calls = Calls("second")
    with pytest.raises(ExecutionInProgressError):
        subject.execute(options("k", user_id), calls)
    database_clock.advance(LEASE)
    with pytest.raises(ExecutionAbandonedError):
        subject.execute(options("k", user_id), calls, on_running="wait")
    assert [one.id for one in subject.find_abandoned()] == ["k"]
    assert len(effects.read_text().splitlines()) == 1
    assert calls.count == 0
    assert subject.execute_idempotent(options("k", user_id), calls, on_abandoned="retry")
    assert [one.outcome for one in subject.get_attempts("k")] == ["abandoned"]


def test_a_stopped_owner_that_was_replaced_is_fenced_when_it_goes_on(
    subject: Subject,
    user_id: UUID,
    start_owner: Callable[[float], subprocess.Popen[str]],
    database: Database,
    database_clock: DatabaseClock,
) -> None:
    owner = start_owner(0.5)
    os.kill(owner.pid, signal.SIGSTOP)
    database_clock.advance(LEASE)
    taken = subject.execute(options("k", user_id), Calls("second"), on_abandoned="retry")
    assert taken.execution.attempt == 2
    before = database.row("k")
    os.kill(owner.pid, signal.SIGCONT)
    said = worker.outcome(owner)
    assert said == {"error": "LeaseLostError", "result": f"done by {owner.pid}"}
    assert database.row("k") == before


def test_a_stopped_owner_is_fenced_while_its_successor_still_runs(
    subject: Subject,
    user_id: UUID,
    start_owner: Callable[[float], subprocess.Popen[str]],
    database: Database,
    database_clock: DatabaseClock,
) -> None:
    owner = start_owner(0.2)
    os.kill(owner.pid, signal.SIGSTOP)
    database_clock.advance(LEASE)

    def outlive_the_first() -> str:
        os.kill(owner.pid, signal.SIGCONT)
        return f"first said {worker.outcome(owner)['error']}"

    taken = subject.execute_idempotent(
        options("k", user_id), outlive_the_first, on_abandoned="retry"
    )
    assert taken == "first said LeaseLostError"
    assert database.row("k")["attempt"] == 2


def test_a_stopped_owner_that_nobody_replaced_stores_its_result(
    subject: Subject,
    user_id: UUID,
    start_owner: Callable[[float], subprocess.Popen[str]],
    database_clock: DatabaseClock,
) -> None:
    owner = start_owner(0.2)
    os.kill(owner.pid, signal.SIGSTOP)
    database_clock.advance(2 * LEASE)
    assert subject.get_execution("k").is_abandoned
    os.kill(owner.pid, signal.SIGCONT)
    assert worker.outcome(owner) == {"data": f"done by {owner.pid}"}
    assert subject.execute_idempotent(options("k", user_id), Calls()) == f"done by {owner.pid}"


def test_an_interrupted_process_records_that_its_outcome_is_unknown(
    subject: Subject,
    user_id: UUID,
    start_owner: Callable[[float], subprocess.Popen[str]],
    driver: str,
) -> None:
    if driver.startswith("async"):
        pytest.skip("the signal goes to the main thread, which runs no loop here")
    owner = start_owner(60)
    owner.send_signal(signal.SIGINT)
    owner.wait()
    assert subject.get_execution("k").is_abandoned
    with pytest.raises(ExecutionAbandonedError):
        subject.execute(options("k", user_id), Calls())


def test_work_does_not_start_under_a_lease_that_the_claim_has_used_up(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    database.run(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(0.7); RETURN NULL; END'"
    )
    database.run(
        "CREATE TRIGGER dawdle AFTER INSERT ON workflow_executions"
        " FOR EACH ROW EXECUTE FUNCTION dawdle()"
    )
    left: list[bool] = []

    def look() -> None:
        query = "SELECT lease_expires_at > clock_timestamp() FROM workflow_executions"
        left.append(database.value(query))

    began = time.monotonic()
    subject.execute(options("k", user_id), look, lease=timedelta(seconds=0.5))
    assert time.monotonic() - began > 0.7
    assert left == [True]

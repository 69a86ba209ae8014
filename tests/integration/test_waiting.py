"""Waiting for somebody else's execution: the same outcome, never another run."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from exec_tracker import (
    ConfigurationError,
    ExecutionAbandonedError,
    ExecutionFailedError,
    ExecutionInProgressError,
    ExecutionNotFoundError,
    ExecutionStatus,
)
from tests.support.database import eventually
from tests.support.executors import Calls, Held, options

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.testing import DatabaseClock
    from tests.support.database import Database
    from tests.support.fixtures import Background, Running
    from tests.support.subjects import Subject

SOON = timedelta(seconds=0.2)
LONG = timedelta(seconds=30)


class Receipt(BaseModel):
    number: int


def test_a_waiter_gets_the_same_type_and_value_as_the_owner(
    subject: Subject, user_id: UUID, running: Running, background: Background
) -> None:
    asked = options("k", user_id)
    executor, first = running(subject, asked, Held(Receipt(number=7)), result_type=Receipt)
    second = Calls(Receipt(number=8))
    waiting = background(
        subject.execute, asked, second, on_running="wait", result_type=Receipt, wait_timeout=LONG
    )
    time.sleep(0.05)
    executor.release()
    assert first.result() == waiting.result().data == Receipt(number=7)
    assert (waiting.result().cached, second.count) == (True, 0)


def test_a_waiter_gives_up_in_time_and_holds_no_connection(
    subject: Subject, user_id: UUID, running: Running
) -> None:
    running(subject, options("k", user_id))
    second = Calls()
    began = time.monotonic()
    with pytest.raises(ExecutionInProgressError):
        subject.execute(options("k", user_id), second, on_running="wait", wait_timeout=SOON)
    assert 0.2 <= time.monotonic() - began < 2
    assert second.count == 0
    assert subject.pool.checkedout() == 0


def test_a_waiter_adopts_a_failure_and_never_runs(
    subject: Subject, user_id: UUID, running: Running, background: Background
) -> None:
    asked = options("k", user_id)
    executor, first = running(subject, asked, Held(raises=ValueError("declined")))
    second = Calls()
    waiting = background(
        subject.execute, asked, second, on_running="wait", on_failed="retry", wait_timeout=LONG
    )
    time.sleep(0.05)
    executor.release()
    assert isinstance(first.exception(), ValueError)
    error = waiting.exception()
    assert isinstance(error, ExecutionFailedError)
    assert error.error is not None
    assert (error.error["type"], error.error["message"]) == ("ValueError", "declined")
    assert second.count == 0


def test_a_waiter_hears_of_an_execution_that_is_abandoned_meanwhile(
    subject: Subject, user_id: UUID, background: Background, database_clock: DatabaseClock
) -> None:
    subject.create_execution(options("k", user_id))
    subject.mark_running("k", lease=timedelta(minutes=1))
    second = Calls()
    waiting = background(
        subject.execute, options("k", user_id), second, on_running="wait", wait_timeout=LONG
    )
    time.sleep(0.05)
    database_clock.advance(timedelta(minutes=1))
    assert isinstance(waiting.exception(), ExecutionAbandonedError)
    assert second.count == 0


def test_a_short_executions_end_is_noticed_within_50_ms(
    subject: Subject, user_id: UUID, background: Background
) -> None:
    def notice(key: str) -> float:
        subject.create_execution(options(key, user_id))
        claimed = subject.mark_running(key)
        noticed = background(lambda: (subject.wait(key, LONG), time.monotonic())[1])
        time.sleep(0.1)
        subject.mark_completed(key, 1, claim_token=claimed.claim_token)
        ended = time.monotonic()
        return float(noticed.result()) - ended

    # Several tries: a busy machine may be late, and a slow poller is so every time.
    assert any(notice(f"k{number}") < 0.05 for number in range(10))


def test_waiting_from_outside_returns_the_ending(
    subject: Subject, user_id: UUID, running: Running, background: Background
) -> None:
    executor, _ = running(subject, options("k", user_id))
    waiting = background(subject.wait, "k", LONG)
    with pytest.raises(ExecutionInProgressError):
        subject.wait("k", timedelta(0))
    executor.release()
    assert waiting.result().status is ExecutionStatus.COMPLETED
    assert subject.wait("k", timedelta(0)).result == "done"


def test_waiting_for_nothing_is_not_found(subject: Subject, user_id: UUID) -> None:
    with pytest.raises(ExecutionNotFoundError):
        subject.wait("nothing", LONG)


def test_an_execution_deleted_under_a_waiter_is_said_so_and_not_run(
    subject: Subject, user_id: UUID, background: Background, database: Database
) -> None:
    subject.create_execution(options("k", user_id))
    subject.mark_running("k")
    second = Calls()
    waiting = background(
        subject.execute, options("k", user_id), second, on_running="wait", wait_timeout=LONG
    )
    time.sleep(0.05)
    subject.delete("k")
    assert isinstance(waiting.exception(), ExecutionNotFoundError)
    assert second.count == 0


def test_a_waiter_outlives_its_cut_connection(
    subject: Subject, user_id: UUID, running: Running, background: Background, database: Database
) -> None:
    executor, first = running(subject, options("k", user_id))
    waiting = background(
        subject.execute, options("k", user_id), Calls(), on_running="wait", wait_timeout=LONG
    )
    for _ in range(3):
        eventually(
            lambda: database.value(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend'"
            )
        )
        time.sleep(0.05)
    executor.release()
    assert first.result() == waiting.result().data == "done"


@pytest.mark.parametrize(
    "settings",
    [
        {"on_running": "hope"},
        {"on_failed": "ignore"},
        {"on_abandoned": "maybe"},
        {"wait_timeout": timedelta(seconds=-1)},
        {"wait_timeout": 5},
        {"lease": timedelta(0)},
        {"lease": 60},
        {"save_timeout": timedelta(seconds=-1)},
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_sent(
    subject: Subject, user_id: UUID, database: Database, settings: dict[str, Any]
) -> None:
    calls = Calls()
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        subject.execute(options("k", user_id), calls, **settings)
    assert calls.count == 0
    assert database.all("SELECT 1 FROM workflow_executions") == []

"""Hundreds of waiters on one key cost one poller and few connections."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.fixtures import Background, NewSubject, Running

WAITERS = 200
LONG = timedelta(seconds=60)


def test_waiters_share_a_poller_and_a_small_pool(
    new_subject: NewSubject, user_id: UUID, running: Running, background: Background
) -> None:
    subject = new_subject(engine={"pool_size": 5, "max_overflow": 0, "pool_timeout": 30})
    executor, first = running(subject, options("k", user_id))
    calls = Calls("never")
    waiting = [
        background(
            subject.execute_idempotent,
            options("k", user_id),
            calls,
            on_running="wait",
            wait_timeout=LONG,
        )
        for _ in range(WAITERS)
    ]
    time.sleep(1.5)  # all have begun to wait
    checkouts: list[Any] = []
    event.listen(subject.pool, "checkout", lambda *_: checkouts.append(1))
    time.sleep(2)
    polls = len(checkouts)
    executor.release()
    assert {future.result() for future in (first, *waiting)} == {"done"}
    assert calls.count == 0
    # A poller of one's own for everybody would have read four hundred times or more.
    assert 1 <= polls <= 100
    assert subject.pool.checkedout() == 0


def test_all_waiters_hear_of_the_end_soon(
    new_subject: NewSubject, user_id: UUID, running: Running, background: Background
) -> None:
    subject = new_subject(engine={"pool_size": 5, "max_overflow": 0, "pool_timeout": 30})
    executor, _ = running(subject, options("k", user_id))
    waiting = [background(subject.wait, "k", LONG) for _ in range(WAITERS)]
    time.sleep(0.5)
    executor.release()
    began = time.monotonic()
    assert {future.result().result for future in waiting} == {"done"}
    assert time.monotonic() - began < 2

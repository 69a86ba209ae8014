"""A take-over that is interrupted leaves the abandoned execution as it was found."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg2
import pytest

from exec_tracker import ExecutionAbandonedError, ExecutionTracker, Happened
from tests.support.executors import options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from exec_tracker import AsyncExecutionTracker
    from exec_tracker.testing import DatabaseClock


@contextmanager
def row_locked(database_url: str, key: str) -> Iterator[None]:
    """Hold a row's lock, so that whoever wants to write it waits."""
    connection = psycopg2.connect(database_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM workflow_executions WHERE id = %s FOR UPDATE", (key,))
        yield
    finally:
        connection.close()


def abandon(tracker: ExecutionTracker, clock: DatabaseClock, key: str, user_id: UUID) -> None:
    """Leave a claim whose owner has died, perhaps after its effect."""
    tracker.claim(options(key, user_id), lease=timedelta(minutes=5)).detach(timedelta(minutes=5))
    clock.advance(timedelta(minutes=6))


async def test_a_cancelled_take_over_is_no_licence_to_run(
    async_tracker: AsyncExecutionTracker,
    tracker: ExecutionTracker,
    database_url: str,
    database_clock: DatabaseClock,
    user_id: UUID,
) -> None:
    abandon(tracker, database_clock, "k", user_id)
    effects: list[str] = []

    async def effect() -> None:
        effects.append("again")

    with row_locked(database_url, "k"):
        asked = options("k", user_id)
        taker = asyncio.create_task(
            async_tracker.execute_idempotent(asked, effect, on_abandoned="retry")
        )
        await asyncio.sleep(0.3)
        taker.cancel()
        await asyncio.sleep(0.2)
    with pytest.raises(asyncio.CancelledError):
        await taker
    with pytest.raises(ExecutionAbandonedError):
        await async_tracker.execute_idempotent(options("k", user_id), effect)
    assert effects == []


def test_an_interrupted_verifier_is_no_licence_to_run(
    tracker: ExecutionTracker,
    database_url: str,
    database_clock: DatabaseClock,
    user_id: UUID,
) -> None:
    abandon(tracker, database_clock, "k", user_id)
    effects: list[str] = []

    def interrupt(lock: threading.Event) -> None:
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        lock.set()

    def hold(begun: threading.Event, end: threading.Event) -> None:
        with row_locked(database_url, "k"):
            begun.set()
            end.wait(10)

    begun, end = threading.Event(), threading.Event()
    holder = threading.Thread(target=hold, args=(begun, end))
    holder.start()
    begun.wait(10)
    interrupter = threading.Thread(target=interrupt, args=(end,))
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        tracker.execute_idempotent(
            options("k", user_id), lambda: effects.append("again"), verify=lambda: Happened("x")
        )
    holder.join()
    interrupter.join()
    with pytest.raises(ExecutionAbandonedError):
        tracker.execute_idempotent(options("k", user_id), lambda: effects.append("again"))
    assert effects == []


async def test_a_block_cancelled_while_it_claims_does_not_begin(
    async_tracker: AsyncExecutionTracker,
    tracker: ExecutionTracker,
    database_url: str,
    user_id: UUID,
) -> None:
    tracker.create_execution(options("k", user_id))
    ran: list[str] = []

    async def work() -> None:
        async with async_tracker.transaction(options("k", user_id)) as block:
            ran.append("body")
            block.complete(1)

    with row_locked(database_url, "k"):
        task = asyncio.create_task(work())
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.sleep(0.2)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ran == []
    execution = await async_tracker.get_execution("k")
    assert execution is not None
    assert execution.status == "pending"

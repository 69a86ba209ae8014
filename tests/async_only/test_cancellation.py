"""Cancelled in the middle: what happened is recorded first, then the cancellation goes on."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import ExecutionAbandonedError
from tests.support.database import eventually
from tests.support.executors import options

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from exec_tracker import AsyncExecutionTracker
    from tests.support.database import Database

    Cancel = Callable[[Callable[[], Awaitable[Any]], asyncio.Event], Awaitable[None]]

LOCKED = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def by_task_cancel(work: Callable[[], Awaitable[Any]], begun: asyncio.Event) -> None:
    task = asyncio.ensure_future(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def by_timeout(work: Callable[[], Awaitable[Any]], begun: asyncio.Event) -> None:
    async with asyncio.timeout(None) as scope:
        watch = asyncio.ensure_future(_expire(scope, begun))
        with pytest.raises(asyncio.CancelledError):
            await work()
        await watch
        raise asyncio.CancelledError


async def _expire(scope: asyncio.Timeout, begun: asyncio.Event) -> None:
    await begun.wait()
    scope.reschedule(0)


async def by_sibling(work: Callable[[], Awaitable[Any]], begun: asyncio.Event) -> None:
    async def fail() -> None:
        await begun.wait()
        raise LookupError("sibling")

    async with asyncio.TaskGroup() as group:
        group.create_task(_as_coroutine(work))
        group.create_task(fail())


async def _as_coroutine(work: Callable[[], Awaitable[Any]]) -> Any:
    return await work()


def assert_unknown(database: Database) -> None:
    row = database.row("k")
    assert (row["status"], row["lease_expires_at"]) == ("failed", None)
    assert (row["error"]["outcome_unknown"], row["error"]["retryable"]) == (True, False)
    assert [one["outcome"] for one in database.attempts("k")] == ["abandoned"]


async def run_and_cancel(
    aio: AsyncExecutionTracker, user_id: UUID, cancel: Cancel, *, plain: bool = False
) -> None:
    """Cancel an execution, by this means, while its function runs."""
    begun, stop, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    async def executor() -> None:
        begun.set()
        await asyncio.sleep(30)

    def plain_executor() -> None:
        loop.call_soon_threadsafe(begun.set)
        stop.wait(30)

    try:
        work = plain_executor if plain else executor
        await cancel(lambda: aio.execute(options("k", user_id), work), begun)
    finally:
        stop.set()


@pytest.mark.parametrize("plain", [False, True], ids=["coroutine", "thread"])
async def test_task_cancel_is_recorded_as_outcome_unknown_and_goes_on(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database, *, plain: bool
) -> None:
    await run_and_cancel(aio, user_id, by_task_cancel, plain=plain)
    assert_unknown(database)
    with pytest.raises(ExecutionAbandonedError):
        await aio.execute(options("k", user_id), lambda: 1)


async def test_a_timeout_is_recorded_as_outcome_unknown_and_stays_a_timeout(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    with pytest.raises(TimeoutError):
        await run_and_cancel(aio, user_id, by_timeout)
    assert_unknown(database)


async def test_a_plain_timeout_is_recorded_as_outcome_unknown(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    async def executor() -> None:
        await asyncio.sleep(30)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await aio.execute(options("k", user_id), executor)
    assert_unknown(database)


async def test_a_failing_sibling_in_a_task_group_is_recorded_as_outcome_unknown(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await run_and_cancel(aio, user_id, by_sibling)
    assert caught.group_contains(LookupError, match="sibling")
    assert_unknown(database)


async def test_a_second_cancellation_does_not_stop_the_record(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    begun = asyncio.Event()

    async def executor() -> None:
        begun.set()
        await asyncio.sleep(30)

    task = asyncio.ensure_future(aio.execute(options("k", user_id), executor))
    await begun.wait()
    with database.locked("SELECT 1 FROM workflow_executions FOR UPDATE"):
        task.cancel()
        await asyncio.to_thread(eventually, lambda: database.value(LOCKED))
        task.cancel()
        await asyncio.sleep(0.1)
        assert not task.done()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert_unknown(database)


@pytest.mark.parametrize("verb", ["execute", "claim"])
async def test_a_cancellation_during_the_claim_leaves_the_key_free_and_nothing_run(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database, verb: str
) -> None:
    calls: list[int] = []

    async def obtain() -> Any:
        if verb == "claim":
            return await aio.claim(options("k", user_id))
        return await aio.execute(options("k", user_id), lambda: calls.append(1))

    await aio.get_execution("k")  # so that what is waited for is the claim
    with database.locked("LOCK workflow_executions IN SHARE MODE"):
        task = asyncio.ensure_future(obtain())
        await asyncio.to_thread(eventually, lambda: database.value(LOCKED))
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls == []
    assert await aio.execute_idempotent(options("k", user_id), lambda: "now") == "now"


async def test_a_cancellation_during_the_save_stores_the_result(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    async def executor() -> str:
        await asyncio.to_thread(lock.__enter__)
        return "paid"

    lock = database.locked("SELECT 1 FROM workflow_executions FOR UPDATE")
    task = asyncio.ensure_future(aio.execute(options("k", user_id), executor))
    await asyncio.to_thread(eventually, lambda: database.value(LOCKED))
    task.cancel()
    await asyncio.sleep(0.1)
    assert not task.done()
    lock.__exit__(None, None, None)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (database.row("k")["status"], database.row("k")["result"]) == ("completed", "paid")


async def test_a_cancelled_waiter_goes_at_once_and_disturbs_nobody(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    begun, end = asyncio.Event(), asyncio.Event()

    async def executor() -> str:
        begun.set()
        await end.wait()
        return "done"

    first = asyncio.ensure_future(aio.execute_idempotent(options("k", user_id), executor))
    await begun.wait()
    waiter = asyncio.ensure_future(aio.execute(options("k", user_id), executor, on_running="wait"))
    await asyncio.sleep(0.1)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(1):
            await waiter
    end.set()
    assert await first == "done"
    assert database.attempts("k") == []


async def test_a_function_that_swallows_its_cancellation_has_its_result_stored(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    begun = asyncio.Event()

    async def executor() -> str:
        begun.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "cleaned up"
        return "slept"

    task = asyncio.ensure_future(aio.execute_idempotent(options("k", user_id), executor))
    await begun.wait()
    task.cancel()
    assert await task == "cleaned up"
    assert database.row("k")["status"] == "completed"

"""A tracker and its loop: nothing blocks it, nothing outlives it, another one may follow."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from exec_tracker import AsyncExecutionTracker, ConfigurationError, ExecutionContext
from tests.support.database import eventually
from tests.support.executors import options

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from tests.async_only.conftest import NewTracker
    from tests.support.database import Database

BRIEF = timedelta(milliseconds=300)
PIDS = (
    "SELECT array_agg(pid ORDER BY pid) FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)
CONNECTIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


async def longest_lag(work: Awaitable[Any]) -> float:
    """Do the work and tell for how long the loop did not come round, in seconds."""
    lags: list[float] = []

    async def watch() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            lags.append(time.monotonic() - before - 0.005)

    watching = asyncio.ensure_future(watch())
    await work
    watching.cancel()
    return max(lags)


async def test_a_plain_function_runs_in_a_thread_and_does_not_block_the_loop(
    aio: AsyncExecutionTracker, user_id: UUID
) -> None:
    await aio.execute(options("warm", user_id), lambda: 1)
    threads: list[str] = []

    def executor() -> None:
        threads.append(threading.current_thread().name)
        time.sleep(0.4)

    lag = await longest_lag(aio.execute(options("k", user_id), executor))
    # The function blocks for 400 ms; a loop on a busy machine is late for other reasons too.
    assert lag < 0.2
    assert threads != [threading.main_thread().name]


async def test_statements_that_wait_in_the_database_do_not_block_the_loop(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    await aio.create_execution(options("k", user_id))

    async def wait_for_the_lock() -> None:
        task = asyncio.ensure_future(aio.execute(options("k", user_id), lambda: 1))
        await asyncio.sleep(0.5)
        assert not task.done()
        await asyncio.to_thread(lock.__exit__, None, None, None)
        await task

    lock = database.locked("SELECT 1 FROM workflow_executions FOR UPDATE")
    await asyncio.to_thread(lock.__enter__)
    assert await longest_lag(wait_for_the_lock()) < 0.3


async def test_a_plain_function_may_return_an_awaitable(
    aio: AsyncExecutionTracker, user_id: UUID
) -> None:
    async def later(value: str) -> str:
        await asyncio.sleep(0)
        return value

    assert await aio.execute_idempotent(options("1", user_id), lambda: later("a")) == "a"
    part = functools.partial(later, "b")
    assert await aio.execute_idempotent(options("2", user_id), part) == "b"


async def test_objects_with_an_async_call_are_executors(
    aio: AsyncExecutionTracker, user_id: UUID
) -> None:
    class Pay:
        async def __call__(self, context: ExecutionContext) -> str:
            await asyncio.sleep(0)
            return context.idempotency_key

    assert await aio.execute_idempotent(options("k", user_id), Pay()) == "k"


async def test_a_wrapper_is_judged_by_what_it_is_and_not_by_what_it_wraps(
    aio: AsyncExecutionTracker, user_id: UUID
) -> None:
    def plain() -> str:
        return "plain"

    @functools.wraps(plain)
    async def wrapper() -> str:
        await asyncio.sleep(0)
        return plain()

    assert await aio.execute_idempotent(options("k", user_id), wrapper) == "plain"


async def test_a_lease_is_kept_alive_while_a_thread_or_coroutine_runs(
    new_tracker: NewTracker, user_id: UUID, database: Database
) -> None:
    aio = new_tracker(lease=BRIEF)
    before = database.value("SELECT clock_timestamp()")
    await asyncio.gather(
        aio.execute(options("1", user_id), lambda: time.sleep(1)),
        aio.execute(options("2", user_id), lambda: asyncio.sleep(1)),
        _watch_leases(database, before),
    )
    assert database.value("SELECT count(*) FROM workflow_executions WHERE attempt = 1") == 2


async def _watch_leases(database: Database, _before: Any) -> None:
    await asyncio.sleep(0.7)
    expired = "SELECT id FROM workflow_executions WHERE lease_expires_at < clock_timestamp()"
    assert await asyncio.to_thread(database.all, expired) == []


def test_a_tracker_may_be_used_in_one_loop_after_the_other(
    async_url: str, user_id: UUID, database: Database
) -> None:
    engine = create_async_engine(async_url, poolclass=NullPool)
    tracker = AsyncExecutionTracker(engine, lease=BRIEF)
    for key in ("1", "2"):
        result = asyncio.run(
            tracker.execute_idempotent(options(key, user_id), lambda: asyncio.sleep(0.5, "done"))
        )
        assert result == "done"
    asyncio.run(tracker.aclose())
    asyncio.run(engine.dispose())
    assert database.value("SELECT count(*) FROM workflow_executions WHERE attempt = 1") == 2


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "left open"])
def test_a_loop_ends_without_a_warning_while_the_heartbeat_sleeps(
    async_url: str, user_id: UUID, caplog: pytest.LogCaptureFixture, *, closes: bool
) -> None:
    async def run() -> None:
        engine = create_async_engine(async_url, poolclass=NullPool)
        tracker = AsyncExecutionTracker(engine, lease=BRIEF)
        await tracker.execute(options("k", user_id), lambda: asyncio.sleep(0.4))
        if closes:
            await tracker.aclose()
            assert [task.get_name() for task in asyncio.all_tasks()] == [
                asyncio.current_task().get_name()  # type: ignore[union-attr]
            ]
        await engine.dispose()

    asyncio.run(run())
    gc.collect()
    # Of this loop only: another test's tracker may still have a thread that renews its leases.
    own = [one for one in caplog.records if one.threadName == "MainThread"]
    assert [one.message for one in own if one.levelname != "DEBUG"] == []


async def test_closing_while_work_is_running_lets_it_store_its_result(
    async_url: str, user_id: UUID, database: Database
) -> None:
    tracker = AsyncExecutionTracker(async_url, lease=BRIEF)
    begun, end = asyncio.Event(), asyncio.Event()

    async def executor() -> str:
        begun.set()
        await end.wait()
        return "stored"

    task = asyncio.ensure_future(tracker.execute_idempotent(options("k", user_id), executor))
    await begun.wait()
    await tracker.aclose()
    with pytest.raises(ConfigurationError, match="closed"):
        await tracker.execute(options("other", user_id), executor)
    await asyncio.sleep(BRIEF.total_seconds() * 2)
    assert database.row("k")["lease_expires_at"] > database.value("SELECT clock_timestamp()")
    end.set()
    assert await task == "stored"
    assert database.row("k")["status"] == "completed"


async def test_no_connection_is_left_once_the_work_of_a_closed_tracker_has_ended(
    async_url: str, user_id: UUID, database: Database
) -> None:
    tracker = AsyncExecutionTracker(async_url, lease=BRIEF)
    begun, end = asyncio.Event(), asyncio.Event()

    async def executor() -> None:
        begun.set()
        await end.wait()

    task = asyncio.ensure_future(tracker.execute(options("k", user_id), executor))
    await begun.wait()
    await tracker.aclose()
    end.set()
    await task
    await asyncio.to_thread(eventually, lambda: database.value(CONNECTIONS) == 0, 5)


async def test_two_hundred_waiters_share_a_pool_of_five(
    new_tracker: NewTracker, user_id: UUID
) -> None:
    aio = new_tracker(pool_size=5)
    calls: list[int] = []

    async def executor() -> str:
        calls.append(1)
        await asyncio.sleep(1)
        return "done"

    call: Callable[[], Awaitable[str]] = lambda: aio.execute_idempotent(  # noqa: E731
        options("k", user_id), executor, on_running="wait"
    )
    first = asyncio.ensure_future(call())
    await asyncio.sleep(0.2)
    began = time.monotonic()
    results = await asyncio.gather(first, *[call() for _ in range(200)])
    assert (set(results), len(calls)) == ({"done"}, 1)
    assert time.monotonic() - began < 10


async def test_a_tracker_of_its_own_engine_keeps_what_it_has_opened(
    async_url: str, database: Database
) -> None:
    tracker = AsyncExecutionTracker(async_url)

    async def together() -> list[int]:
        await asyncio.gather(*(tracker.get_execution(f"k{number}") for number in range(12)))
        pids: list[int] = await asyncio.to_thread(database.value, PIDS)
        return pids

    await tracker.get_execution("warm")
    opened = await together()
    assert len(opened) > 5  # beyond which SQLAlchemy's pool closes what comes back
    assert set(opened) <= set(await together())
    await tracker.aclose()

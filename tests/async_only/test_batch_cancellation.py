"""A batch that is cancelled at each of its statements in turn: recorded, and then it goes on."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.executors import options
from tests.support.strikes import Strikes, When

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from uuid import UUID

    from exec_tracker import AsyncExecutionTracker
    from tests.async_only.conftest import NewTracker
    from tests.support.database import Database


@pytest.fixture
def strikes(monkeypatch: pytest.MonkeyPatch) -> Strikes:
    return Strikes(monkeypatch)


class Batch:
    """Fresh keys and one that needs a take-over, under names of their own."""

    def __init__(self, user_id: UUID, name: str) -> None:
        self.runs: list[str] = []
        self.keys = [f"{name}-{kind}" for kind in ("a", "pending", "b")]
        self.asked = [options(key, user_id) for key in self.keys]

    async def work(self, context: Any) -> str:
        self.runs.append(context.idempotency_key)
        await asyncio.sleep(0)
        return str(context.idempotency_key)


async def cancelled_at_every_statement(
    new_tracker: NewTracker,
    strikes: Strikes,
    user_id: UUID,
    when: When,
    call: Callable[[AsyncExecutionTracker, Batch], Awaitable[Any]],
) -> AsyncIterator[tuple[AsyncExecutionTracker, Batch]]:
    """Yield what each cancelled call leaves, and see that no lease is kept for it."""
    for at in itertools.count(1):
        tracker, batch = new_tracker(), Batch(user_id, f"{at}")
        await tracker.create_execution(batch.asked[1])
        task = asyncio.ensure_future(call(tracker, batch))
        strikes.arm(at, when, task.cancel)
        await asyncio.wait([task])
        assert task.cancelled() is strikes.has_struck
        strikes.disarm()
        if not strikes.has_struck:
            return
        yield tracker, batch
        await tracker.aclose()
        assert [
            one for one in asyncio.all_tasks() if one.get_name() == "exec_tracker heartbeat"
        ] == []


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_batch_cancelled_at_any_statement_loses_no_result_and_runs_nothing_twice(
    new_tracker: NewTracker, strikes: Strikes, user_id: UUID, *, database: Database, when: When
) -> None:
    async def call(tracker: AsyncExecutionTracker, batch: Batch) -> Any:
        return await tracker.execute_many(batch.asked, batch.work)

    times = 0
    async for tracker, batch in cancelled_at_every_statement(
        new_tracker, strikes, user_id, when, call
    ):
        times += 1
        assert {database.row(key)["status"] for key in batch.runs} <= {"completed"}
        again = await tracker.execute_many(batch.asked, batch.work)
        assert [one.data for one in again] == batch.keys
        assert sorted(batch.runs) == sorted(batch.keys)
    assert times >= 4


@pytest.mark.parametrize("when", ["before", "after"])
async def test_claims_cancelled_at_any_statement_are_given_back(
    new_tracker: NewTracker, strikes: Strikes, user_id: UUID, when: When
) -> None:
    async def call(tracker: AsyncExecutionTracker, batch: Batch) -> Any:
        return await tracker.claim_many(batch.asked)

    times = 0
    async for tracker, batch in cancelled_at_every_statement(
        new_tracker, strikes, user_id, when, call
    ):
        times += 1
        again = await tracker.claim_many(batch.asked)
        stored = await tracker.complete_many([(claim, 1) for claim in again])  # type: ignore[misc] # claims
        assert [one.data for one in stored] == [1, 1, 1]
    assert times >= 3

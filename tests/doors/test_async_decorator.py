"""The async tracker's decorator."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING
from uuid import UUID  # noqa: TC003 # in the annotations of decorated functions

import pytest

from exec_tracker import AsyncExecutionTracker, IdempotencyKeyReusedError

if TYPE_CHECKING:
    from tests.support.database import Database


async def test_a_decorated_coroutine_runs_once_per_key(
    async_tracker: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    calls: list[str] = []

    @async_tracker.idempotent(key="pay:{order}", workflow_id="w", user_id=user_id)
    async def pay(order: str, amount: int = 1) -> Decimal:
        await asyncio.sleep(0)
        calls.append(order)
        return Decimal(amount)

    assert [await pay("o1"), await pay(amount=1, order="o1")] == [Decimal(1)] * 2
    assert type(await pay("o1")) is Decimal
    assert (calls, database.row("pay:o1")["status"]) == (["o1"], "completed")


async def test_it_is_a_coroutine_function_with_its_own_name(
    async_tracker: AsyncExecutionTracker, user_id: UUID
) -> None:
    @async_tracker.idempotent(key="k", workflow_id="w", user_id=user_id)
    async def pay() -> int:
        """Pay."""
        return 1

    assert (pay.__name__, pay.__doc__, iscoroutinefunction(pay)) == ("pay", "Pay.", True)


async def test_other_parameters_are_refused(
    async_tracker: AsyncExecutionTracker, user_id: UUID
) -> None:
    @async_tracker.idempotent(key="k", workflow_id="w", user_id=user_id)
    async def pay(amount: int) -> int:
        return amount

    assert await pay(1) == 1
    with pytest.raises(IdempotencyKeyReusedError):
        await pay(2)


async def test_a_method_does_not_count_its_object(
    async_tracker: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    class Till:
        @async_tracker.idempotent(key="{order}", workflow_id="w", user_id=user_id)
        async def pay(self, order: str) -> str:
            return order

    assert [await Till().pay("o1"), await Till().pay("o1")] == ["o1", "o1"]
    assert database.row("o1")["parameters"] == {"order": "o1"}


async def test_fifty_calls_at_once_run_it_once(
    async_tracker: AsyncExecutionTracker, user_id: UUID
) -> None:
    calls: list[int] = []

    @async_tracker.idempotent(key="k", workflow_id="w", user_id=user_id, on_running="wait")
    async def pay() -> int:
        calls.append(1)
        await asyncio.sleep(0.05)
        return 7

    assert await asyncio.gather(*[pay() for _ in range(50)]) == [7] * 50
    assert len(calls) == 1

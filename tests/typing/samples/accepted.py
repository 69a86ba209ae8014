"""What a type checker knows about the public calls; checked by mypy, never run."""

# ruff: noqa: TC002 # a user imports plainly what annotations name
from __future__ import annotations

from decimal import Decimal
from typing import assert_type
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from exec_tracker import (
    AsyncExecutionTracker,
    Claim,
    ExecuteOptions,
    Execution,
    ExecutionContext,
    ExecutionResult,
    ExecutionTracker,
)


def plain() -> int:
    return 1


def with_context(context: ExecutionContext) -> Decimal:
    return Decimal(context.attempt)


def write(session: Session) -> str:
    return str(session.is_active)


async def coroutine() -> int:
    return 1


async def coroutine_with_context(context: ExecutionContext) -> Decimal:
    return Decimal(context.attempt)


async def write_async(session: AsyncSession) -> str:
    return str(session.is_active)


def sync(tracker: ExecutionTracker, options: ExecuteOptions) -> None:
    assert_type(tracker.execute_idempotent(options, lambda: 1), int)
    assert_type(tracker.execute_idempotent(options, plain, on_running="wait"), int)
    assert_type(tracker.execute_idempotent(options, with_context), Decimal)
    assert_type(tracker.execute(options, plain), ExecutionResult[int])
    assert_type(tracker.execute(options, plain).data, int)
    assert_type(tracker.execute_in_transaction(options, write), str)
    assert_type(tracker.get_execution("k"), Execution | None)
    assert_type(tracker.get_recent_executions(UUID(int=1)), list[Execution])
    with tracker.claim(options) as claim:
        assert_type(claim, Claim)
        assert_type(claim.cached, bool)

    @tracker.idempotent(key="{order}", workflow_id="w", user_id="{owner}")
    def pay(order: str, owner: UUID, amount: int = 1) -> Decimal:
        return Decimal(amount)

    assert_type(pay("o1", UUID(int=1), amount=2), Decimal)


async def asynchronous(tracker: AsyncExecutionTracker, options: ExecuteOptions) -> None:
    assert_type(await tracker.execute_idempotent(options, coroutine), int)
    assert_type(await tracker.execute_idempotent(options, coroutine_with_context), Decimal)
    assert_type(await tracker.execute_idempotent(options, plain), int)
    assert_type(await tracker.execute(options, coroutine), ExecutionResult[int])
    assert_type(await tracker.execute_in_transaction(options, write_async), str)
    assert_type(await tracker.execute_in_transaction(options, write), str)
    assert_type(await tracker.get_execution("k"), Execution | None)
    async with tracker.claim(options) as claim:
        assert_type(claim.cached, bool)

    @tracker.idempotent(key="{order}", workflow_id="w", user_id="{owner}")
    async def pay(order: str, owner: UUID, amount: int = 1) -> Decimal:
        return Decimal(amount)

    assert_type(await pay("o1", UUID(int=1), amount=2), Decimal)

"""Every way to run work is traced: handles, decorators, transactions, of both trackers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from exec_tracker import AsyncExecutionTracker, ExecutionTracker, OutcomeUnknownError
from tests.otel.recorded import events, linked, span_id
from tests.support.executors import options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from exec_tracker import ExecutionContext
    from tests.otel.recorded import Telemetry

CLAIM = "exec_tracker.claim w"
BLOCK = "exec_tracker.transaction w"
CALL = "exec_tracker.execute_in_transaction w"


@pytest.fixture
def traced(tracker: ExecutionTracker, telemetry: Telemetry) -> ExecutionTracker:
    telemetry.attach(tracker)
    return tracker


@pytest.fixture
async def aio(database_url: str, telemetry: Telemetry) -> AsyncIterator[AsyncExecutionTracker]:
    url = make_url(database_url).set(drivername="postgresql+asyncpg")
    async with AsyncExecutionTracker(url) as tracker:
        telemetry.attach(tracker)
        yield tracker


def outcome(telemetry: Telemetry, name: str) -> tuple[Any, list[str]]:
    """Return how the one call of this name ended, and what was decided on the way."""
    span = telemetry.only(name)
    return (span.attributes or {})["exec_tracker.outcome"], events(span)


def is_child(telemetry: Telemetry, child: str, parent: str) -> bool:
    """Tell whether one span is the other's child."""
    inner = telemetry.only(child)
    return inner.parent is not None and inner.parent.span_id == span_id(telemetry.only(parent))


def test_a_claims_block_is_its_span(
    traced: ExecutionTracker, telemetry: Telemetry, user_id: UUID
) -> None:
    with traced.claim(options("k", user_id)) as claim, telemetry.span("inner"):
        claim.complete("done")
    with traced.claim(options("k", user_id)) as again:
        assert again.cached
    first, second = telemetry.spans(CLAIM)
    assert events(first) == ["claimed", "completed"]
    assert events(second) == ["replayed"]
    assert linked(second) == [span_id(first)]
    inner = telemetry.only("inner")
    assert inner.parent is not None
    assert inner.parent.span_id == span_id(first)


def test_a_claim_without_a_block_is_a_span_until_it_ends_and_is_never_current(
    traced: ExecutionTracker, telemetry: Telemetry, user_id: UUID
) -> None:
    claim = traced.claim(options("k", user_id))
    assert telemetry.spans() == []
    with telemetry.span("beside"):
        pass
    claim.fail("declined")
    assert telemetry.only("beside").parent is None
    assert outcome(telemetry, CLAIM) == ("failed", ["claimed", "failed"])


def test_a_claim_that_is_left_open_or_detached_says_so(
    traced: ExecutionTracker, telemetry: Telemetry, user_id: UUID
) -> None:
    with pytest.raises(OutcomeUnknownError), traced.claim(options("left", user_id)):
        pass
    traced.claim(options("handed over", user_id)).detach()
    traced.mark_completed("handed over", "done")
    left, detached, ended = telemetry.spans()
    assert events(left) == ["claimed", "abandoned", "exception"]
    assert events(detached) == ["claimed", "detached"]
    assert (detached.attributes or {})["exec_tracker.outcome"] == "detached"
    assert linked(ended) == [span_id(detached)]


def test_a_decorated_function_is_traced_as_any_other(
    traced: ExecutionTracker, telemetry: Telemetry, user_id: UUID
) -> None:
    @traced.idempotent(key="invoice:{number}", workflow_id="w", user_id=user_id)
    def invoice(number: int) -> int:
        return number

    assert [invoice(7), invoice(7)] == [7, 7]
    assert [events(span) for span in telemetry.spans()] == [["claimed", "completed"], ["replayed"]]


def test_a_function_in_a_transaction_is_traced(
    traced: ExecutionTracker, telemetry: Telemetry, user_id: UUID
) -> None:
    def write(session: Session) -> str:
        with telemetry.span("inner"):
            session.execute(text("SELECT 1"))
        return "done"

    traced.execute_in_transaction(options("k", user_id), write)
    assert outcome(telemetry, CALL) == ("completed", ["claimed", "completed"])
    assert is_child(telemetry, "inner", CALL)


def test_a_function_that_fails_in_the_hosts_transaction_is_traced(
    traced: ExecutionTracker, telemetry: Telemetry, user_id: UUID, database_url: str
) -> None:
    def fail(_session: Session) -> None:
        raise ValueError("declined")

    engine = create_engine(database_url)
    with Session(engine) as session, session.begin(), pytest.raises(ValueError, match="declined"):
        traced.execute_in_transaction(options("k", user_id), fail, session=session)
    engine.dispose()
    assert outcome(telemetry, CALL) == ("failed", ["claimed", "failed", "exception"])


def test_a_transactional_block_is_its_span(
    traced: ExecutionTracker, telemetry: Telemetry, user_id: UUID
) -> None:
    with traced.transaction(options("k", user_id)) as block, telemetry.span("inner"):
        block.complete("done")
    assert outcome(telemetry, BLOCK) == ("completed", ["claimed", "completed"])
    assert is_child(telemetry, "inner", BLOCK)
    with pytest.raises(ValueError, match="declined"), traced.transaction(options("j", user_id)):
        raise ValueError("declined")
    assert events(telemetry.spans()[-1]) == ["claimed", "failed", "exception"]


def test_each_request_of_a_batch_is_traced_and_timed_by_itself(
    traced: ExecutionTracker, telemetry: Telemetry, user_id: UUID
) -> None:
    def work(context: ExecutionContext) -> str:
        with telemetry.span(f"inner {context.idempotency_key}"):
            time.sleep(0.05)
        return "done"

    keys = ("a", "b", "c")
    began = time.monotonic()
    traced.execute_many([options(key, user_id) for key in keys], work)
    elapsed = time.monotonic() - began
    calls = telemetry.spans("exec_tracker.execute_many w")
    assert [events(call) for call in calls] == [["claimed", "completed"]] * 3
    inner = [telemetry.only(f"inner {key}").parent for key in keys]
    assert {one.span_id for one in inner if one} == {span_id(call) for call in calls}
    (ran,) = telemetry.points("exec_tracker.run.duration")
    assert ran.count == 3
    assert 0.15 <= ran.sum <= elapsed


async def test_an_async_function_traces_below_its_call(
    aio: AsyncExecutionTracker, telemetry: Telemetry, user_id: UUID
) -> None:
    async def traced() -> str:
        with telemetry.span("inner"):
            await asyncio.sleep(0)
        return "done"

    async with asyncio.TaskGroup() as group:
        with telemetry.span("outer"):
            group.create_task(aio.execute(options("k", user_id), traced))
    assert is_child(telemetry, "inner", "exec_tracker.execute w")
    assert is_child(telemetry, "exec_tracker.execute w", "outer")


async def test_a_cancelled_call_is_traced_as_abandoned(
    aio: AsyncExecutionTracker, telemetry: Telemetry, user_id: UUID
) -> None:
    begun = asyncio.Event()

    async def forever() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(aio.execute(options("k", user_id), forever))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ended = ("abandoned", ["claimed", "abandoned", "exception"])
    assert outcome(telemetry, "exec_tracker.execute w") == ended


async def test_async_handles_and_blocks_are_traced(
    aio: AsyncExecutionTracker, telemetry: Telemetry, user_id: UUID
) -> None:
    async with aio.claim(options("k", user_id)) as claim:
        with telemetry.span("in claim"):
            await claim.complete("done")
    async with aio.transaction(options("j", user_id)) as block:
        with telemetry.span("in block"):
            block.complete("done")
    assert outcome(telemetry, CLAIM) == ("completed", ["claimed", "completed"])
    assert outcome(telemetry, BLOCK) == ("completed", ["claimed", "completed"])
    assert is_child(telemetry, "in claim", CLAIM)
    assert is_child(telemetry, "in block", BLOCK)


async def test_async_transactions_of_the_hosts_are_traced(
    aio: AsyncExecutionTracker, telemetry: Telemetry, user_id: UUID, database_url: str
) -> None:
    async def write(session: AsyncSession) -> str:
        with telemetry.span("inner"):
            await session.execute(text("SELECT 1"))
        return "done"

    def plain(session: Session) -> str:
        with telemetry.span("plain"):
            session.execute(text("SELECT 1"))
        return "done"

    engine = create_async_engine(make_url(database_url).set(drivername="postgresql+asyncpg"))
    async with AsyncSession(engine) as session, session.begin():
        await aio.execute_in_transaction(options("k", user_id), write, session=session)
    await engine.dispose()
    assert is_child(telemetry, "inner", CALL)
    await aio.execute_in_transaction(options("j", user_id), plain)
    inner, last = telemetry.only("plain"), telemetry.spans()[-1]
    assert inner.parent is not None
    assert inner.parent.span_id == span_id(last)

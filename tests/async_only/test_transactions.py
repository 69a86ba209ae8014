"""The transactional mode in an event loop: executors of both kinds, nesting, cancellation."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from exec_tracker import ExecutionInProgressError
from tests.support.executors import options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from exec_tracker import AsyncExecutionTracker
    from tests.support.database import Database


@pytest.fixture(autouse=True)
def ledger(database: Database) -> None:
    """The host's table."""
    database.run("CREATE TABLE ledger (note text)")


@pytest_asyncio.fixture
async def session(async_url: str) -> AsyncIterator[AsyncSession]:
    """A session of the host's."""
    engine = create_async_engine(async_url)
    async with AsyncSession(engine) as session:
        yield session
    await engine.dispose()


def notes(database: Database) -> list[str]:
    return [row["note"] for row in database.all("SELECT note FROM ledger ORDER BY note")]


async def write(session: AsyncSession, note: str = "a") -> str:
    await session.execute(text("INSERT INTO ledger VALUES (:note)"), {"note": note})
    return "done"


async def test_a_coroutine_is_lent_the_async_session(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    async def work(session: AsyncSession) -> str:
        assert isinstance(session, AsyncSession)
        return await write(session)

    assert await aio.execute_in_transaction(options("k", user_id), work) == "done"
    assert (notes(database), database.row("k")["status"]) == (["a"], "completed")


async def test_a_plain_function_is_lent_the_sync_session(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    def work(session: Session) -> str:
        assert type(session) is Session
        session.execute(text("INSERT INTO ledger VALUES ('a')"))
        return "done"

    assert await aio.execute_in_transaction(options("k", user_id), work) == "done"
    assert notes(database) == ["a"]


async def test_a_wrapper_is_lent_what_it_takes_and_not_what_its_function_takes(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    def plain(session: Session) -> str:
        session.execute(text("INSERT INTO ledger VALUES ('a')"))
        return "done"

    @functools.wraps(plain)
    async def wrapper(session: AsyncSession) -> str:
        return await session.run_sync(plain)

    assert await aio.execute_in_transaction(options("k", user_id), wrapper) == "done"
    assert notes(database) == ["a"]


@pytest.mark.parametrize("verb", ["execute_in_transaction", "execute", "claim"])
async def test_a_key_inside_itself_is_refused_at_once(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database, verb: str
) -> None:
    arguments: dict[str, list[Any]] = {
        "execute_in_transaction": [write],
        "execute": [lambda: 1],
        "claim": [],
    }

    async def work(session: AsyncSession) -> Any:
        await write(session)
        return await getattr(aio, verb)(options("k", user_id), *arguments[verb])

    async with asyncio.timeout(3):
        with pytest.raises(ExecutionInProgressError, match="itself"):
            await aio.execute_in_transaction(options("k", user_id), work)
    assert notes(database) == []


async def test_the_same_key_in_another_task_waits_for_the_transaction(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    results = await asyncio.gather(
        *[aio.execute_in_transaction(options("k", user_id), write) for _ in range(4)]
    )
    assert (results, notes(database)) == (["done"] * 4, ["a"])


async def test_a_cancelled_transaction_leaves_no_row_and_no_writes(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    begun = asyncio.Event()

    async def work(session: AsyncSession) -> None:
        await write(session)
        begun.set()
        await asyncio.sleep(30)

    task = asyncio.ensure_future(aio.execute_in_transaction(options("k", user_id), work))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert notes(database) == []
    assert database.all("SELECT * FROM workflow_executions") == []
    assert await aio.execute_in_transaction(options("k", user_id), write) == "done"


async def test_a_cancellation_in_the_middle_of_a_statement_leaves_nothing(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    async def work(session: AsyncSession) -> None:
        await write(session)
        await session.execute(text("SELECT pg_sleep(30)"))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await aio.execute_in_transaction(options("k", user_id), work)
    assert notes(database) == []
    assert database.all("SELECT * FROM workflow_executions") == []
    assert await aio.execute_in_transaction(options("k", user_id), write) == "done"


async def test_a_cancellation_in_the_hosts_session_leaves_the_hosts_work(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database, session: AsyncSession
) -> None:
    async def work(lent: AsyncSession) -> None:
        await write(lent)
        await asyncio.sleep(30)

    await write(session, "mine")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await aio.execute_in_transaction(options("k", user_id), work, session=session)
    await session.commit()
    assert notes(database) == ["mine"]
    assert database.all("SELECT * FROM workflow_executions") == []


async def test_a_cancellation_during_the_commit_is_delivered_after_it(
    aio: AsyncExecutionTracker, user_id: UUID, database: Database
) -> None:
    database.run(
        "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END'"
    )
    database.run(
        "CREATE CONSTRAINT TRIGGER nap AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION nap()"
    )
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await aio.execute_in_transaction(options("k", user_id), write)
    assert (notes(database), database.row("k")["status"]) == (["a"], "completed")

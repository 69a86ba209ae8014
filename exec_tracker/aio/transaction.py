"""The transactional mode as an async block."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from exec_tracker import sessions
from exec_tracker.flow import Lend, transaction_block
from exec_tracker.handles import TransactionState
from exec_tracker.nesting import entered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

    from exec_tracker.aio.driving import AsyncDriver
    from exec_tracker.flow import Plan


@asynccontextmanager
async def own_session(factory: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    """Open a session of our own, and close it at the end, also where the caller is cancelled."""
    session = factory()
    try:
        yield session
    finally:
        await asyncio.shield(asyncio.ensure_future(session.run_sync(sessions.close)))


class AsyncTransactionBlock(TransactionState):
    """The async twin of TransactionBlock: `async with tracker.transaction(options) as block`."""

    session: AsyncSession

    def __init__(
        self,
        driver: AsyncDriver,
        plan: Plan,
        schema: str | None,
        factory: async_sessionmaker[AsyncSession],
        session: AsyncSession | None,
    ) -> None:
        """Prepare; nothing is sent before the block is entered."""
        super().__init__()
        self._driver = driver
        self._plan = plan
        self._given, self._factory = session, factory
        self._flow = transaction_block(plan, schema, owned=session is None)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Claim the key, or find its outcome; raises as `execute_in_transaction` does."""
        async with self._stack as stack:
            stack.enter_context(entered(self._plan.new.id))
            stack.enter_context(self._plan.watch)
            if self._given is None:
                self._given = await stack.enter_async_context(own_session(self._factory))
            self.session = self._given
            got = await self._driver.drive(self._flow, self.session)
            if not isinstance(got, Lend):
                self._found(self._plan.watch.ended(got))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Store the result and commit, or undo the writes and record the failure."""
        async with self._stack:
            if self.cached:
                return
            answer: Any = self._value if error is None else error
            step = self._flow.send if error is None else self._flow.throw
            try:
                self._ended(await self._driver.drive(self._flow, self.session, step, answer))
            except BaseException as raised:
                self._plan.watch.end(raised)
                if raised is not error:
                    raise
            self._plan.watch.end()

"""The async tracker: the sync one's names, awaited, over asyncpg or psycopg 3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast, overload

from exec_tracker.aio.verbs import AsyncExecutionVerbs
from exec_tracker.codec import DEFAULT_MAX_BYTES
from exec_tracker.flow import execute, execute_in_transaction
from exec_tracker.nesting import entered, refuse_nested
from exec_tracker.planning import DEFAULT_LEASE, DEFAULT_SAVE_TIMEOUT, TrackerSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta
    from types import TracebackType

    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
    from sqlalchemy.orm import Session

    from exec_tracker.planning import ExecuteSettings, TransactionSettings
    from exec_tracker.policies import ExecutionEvent
    from exec_tracker.types import ExecuteOptions, ExecutionResult

T = TypeVar("T")

__all__ = ["AsyncExecutionTracker"]


class AsyncExecutionTracker(AsyncExecutionVerbs):
    """Runs each piece of work once per idempotency key, from an event loop.

    The same names and guarantees as ExecutionTracker. Executors may be `async def`, or plain
    functions, which run in a thread. Share one per event loop. With an AsyncEngine or
    async_sessionmaker it borrows the host's connections and never closes the host's engine.
    """

    def __init__(
        self,
        bind: AsyncEngine | async_sessionmaker[AsyncSession] | URL | str,
        *,
        lease: timedelta | None = DEFAULT_LEASE,
        save_timeout: timedelta = DEFAULT_SAVE_TIMEOUT,
        fingerprint_key: bytes | None = None,
        claimed_by: str | None = None,
        max_result_bytes: int = DEFAULT_MAX_BYTES,
        on_event: Callable[[ExecutionEvent], None] | None = None,
        schema: str | None = None,
    ) -> None:
        """Prepare a tracker as ExecutionTracker does; nothing is connected before the first call."""
        super().__init__(bind, schema=schema)
        named = {} if claimed_by is None else {"claimed_by": claimed_by}
        self._settings = TrackerSettings(
            lease=lease,
            save_timeout=save_timeout,
            fingerprint_key=fingerprint_key,
            max_result_bytes=max_result_bytes,
            on_event=on_event,
            **named,
        )

    def __repr__(self) -> str:
        """Show where it works, without the password."""
        state = ", closed" if self._closed else ""
        return f"{type(self).__name__}({self._engine.url!r}{state})"

    async def __aenter__(self) -> Self:
        """Close at the end of an async with block."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        await self.aclose()

    @overload
    async def execute_idempotent(
        self,
        options: ExecuteOptions,
        executor: Callable[..., Awaitable[T]],
        **settings: Unpack[ExecuteSettings],
    ) -> T: ...
    @overload
    async def execute_idempotent(
        self,
        options: ExecuteOptions,
        executor: Callable[..., T],
        **settings: Unpack[ExecuteSettings],
    ) -> T: ...
    async def execute_idempotent(
        self,
        options: ExecuteOptions,
        executor: Callable[..., Any],
        **settings: Unpack[ExecuteSettings],
    ) -> Any:
        """Await `ExecutionTracker.execute_idempotent`."""
        result: ExecutionResult[Any] = await self.execute(options, executor, **settings)
        return result.data

    @overload
    async def execute(
        self,
        options: ExecuteOptions,
        executor: Callable[..., Awaitable[T]],
        **settings: Unpack[ExecuteSettings],
    ) -> ExecutionResult[T]: ...
    @overload
    async def execute(
        self,
        options: ExecuteOptions,
        executor: Callable[..., T],
        **settings: Unpack[ExecuteSettings],
    ) -> ExecutionResult[T]: ...
    async def execute(
        self,
        options: ExecuteOptions,
        executor: Callable[..., Any],
        **settings: Unpack[ExecuteSettings],
    ) -> ExecutionResult[Any]:
        """Await `ExecutionTracker.execute`.

        Where the caller is cancelled while the function runs, the execution is recorded with its
        outcome unknown, that write is awaited, and then the cancellation goes on. A plain function
        cannot be stopped: its thread runs on, and what it returns is lost.
        """
        refuse_nested(options.execution_id)
        plan = self._settings.plan(options, executor, self._heartbeat, settings)
        return cast("ExecutionResult[Any]", await self._drive(execute(plan)))

    @overload
    async def execute_in_transaction(
        self,
        options: ExecuteOptions,
        executor: Callable[[AsyncSession], Awaitable[T]],
        *,
        session: AsyncSession | None = None,
        **settings: Unpack[TransactionSettings],
    ) -> T: ...
    @overload
    async def execute_in_transaction(
        self,
        options: ExecuteOptions,
        executor: Callable[[Session], T],
        *,
        session: AsyncSession | None = None,
        **settings: Unpack[TransactionSettings],
    ) -> T: ...
    async def execute_in_transaction(
        self,
        options: ExecuteOptions,
        executor: Callable[[Any], Any],
        *,
        session: AsyncSession | None = None,
        **settings: Unpack[TransactionSettings],
    ) -> Any:
        """Await `ExecutionTracker.execute_in_transaction`.

        An `async def` executor is lent the AsyncSession, a plain one its sync session, by
        `AsyncSession.run_sync`.
        """
        plan = self._settings.plan_transaction(options, executor, settings)
        schema = self._database.schema
        with entered(options.execution_id):
            if session is not None:
                return (
                    await self._drive(execute_in_transaction(plan, schema, owned=False), session)
                ).data
            async with self._sessions() as own:
                return (
                    await self._drive(execute_in_transaction(plan, schema, owned=True), own)
                ).data

"""The async tracker: the sync one's names, awaited, over asyncpg or psycopg 3."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, Unpack, cast, overload

from exec_tracker.aio.batches import AsyncExecutionBatches
from exec_tracker.aio.claim import AsyncClaim, PendingClaim
from exec_tracker.aio.transaction import AsyncTransactionBlock, own_session
from exec_tracker.codec import DEFAULT_MAX_BYTES
from exec_tracker.decorating import Request, bound_call
from exec_tracker.failures import MAX_TEXT
from exec_tracker.flow import execute, execute_in_transaction, obtain_or_withdraw
from exec_tracker.keywords import DEFAULT_LEASE, DEFAULT_SAVE_TIMEOUT, check_options
from exec_tracker.nesting import entered, refuse_nested
from exec_tracker.planning import TrackerSettings
from exec_tracker.sessions import plain_session
from exec_tracker.types import KeyScope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable
    from datetime import timedelta
    from types import TracebackType
    from uuid import UUID

    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
    from sqlalchemy.orm import Session

    from exec_tracker.keywords import ExecuteSettings, TransactionSettings
    from exec_tracker.policies import ExecutionEvent
    from exec_tracker.types import ExecuteOptions, ExecutionActor, ExecutionResult

T = TypeVar("T")
P = ParamSpec("P")

__all__ = ["AsyncExecutionTracker"]


class AsyncExecutionTracker(AsyncExecutionBatches):
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
        max_parameters_bytes: int = DEFAULT_MAX_BYTES,
        max_error_chars: int = MAX_TEXT,
        on_event: Callable[[ExecutionEvent], None] | None = None,
        trace_context: Callable[[], str | None] | None = None,
        schema: str | None = None,
    ) -> None:
        """Prepare a tracker as ExecutionTracker does; nothing is connected before a call."""
        super().__init__(bind, schema=schema)
        named: dict[str, Any] = {} if claimed_by is None else {"claimed_by": claimed_by}
        self._settings = TrackerSettings(
            lease=lease,
            save_timeout=save_timeout,
            fingerprint_key=fingerprint_key,
            max_result_bytes=max_result_bytes,
            max_parameters_bytes=max_parameters_bytes,
            max_error_chars=max_error_chars,
            on_event=on_event,
            trace_context=trace_context,
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
        self.check_open()
        check_options(options)
        refuse_nested(options.execution_id)
        with self._settings.watch("execute", options) as watch:
            plan = self._settings.plan(options, executor, self._heartbeat, settings, watch)
            return cast("ExecutionResult[Any]", watch.ended(await self.drive(execute(plan))))

    def claim(self, options: ExecuteOptions, **settings: Unpack[ExecuteSettings]) -> PendingClaim:
        """Claim as `ExecutionTracker.claim`: `async with tracker.claim(…)`, or await it."""
        self.check_open()
        check_options(options)
        refuse_nested(options.execution_id)
        with self._settings.watch("claim", options) as watch:
            plan = self._settings.plan_claim(options, self._heartbeat, settings, watch)

        async def obtain() -> AsyncClaim:
            with watch:
                got = await self.drive(obtain_or_withdraw(plan, hands_over=True))
                return AsyncClaim(self, plan, got)

        return PendingClaim(obtain)

    def idempotent(
        self,
        *,
        key: str | Callable[..., str],
        workflow_id: str,
        user_id: UUID | str | Callable[..., UUID | str],
        parameters: Iterable[str] | Callable[..., dict[str, Any]] | None = None,
        workflow_name: str | None = None,
        actor: ExecutionActor | None = None,
        key_scope: KeyScope = KeyScope.GLOBAL,
        **settings: Unpack[ExecuteSettings],
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Coroutine[Any, Any, T]]]:
        """Decorate as `ExecutionTracker.idempotent`; the decorated function is awaited."""
        request = Request(key, workflow_id, user_id, parameters, workflow_name, actor, key_scope)

        def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
            options_of = request.bind(function)

            @wraps(function)
            async def call(*args: P.args, **kwargs: P.kwargs) -> T:
                executor: Callable[..., Awaitable[T]] = bound_call(function, args, kwargs)
                return await self.execute_idempotent(options_of(args, kwargs), executor, **settings)

            return call

        return decorate

    def transaction(
        self,
        options: ExecuteOptions,
        *,
        session: AsyncSession | None = None,
        **settings: Unpack[TransactionSettings],
    ) -> AsyncTransactionBlock:
        """Run a block as `ExecutionTracker.transaction` does, with `async with`."""
        self.check_open()
        check_options(options)
        with self._settings.watch("transaction", options) as watch:
            plan = self._settings.plan_transaction(options, None, settings, watch)
            given = None if session is None else plain_session(session, _async_session())
        return AsyncTransactionBlock(self, plan, self._database.schema, self._sessions, given)

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
        self.check_open()
        check_options(options)
        watch = self._settings.watch("execute_in_transaction", options)
        with entered(options.execution_id), watch:
            plan = self._settings.plan_transaction(options, executor, settings, watch)
            schema = self._database.schema
            if session is not None:
                given = plain_session(session, _async_session())
                joined = execute_in_transaction(plan, schema, owned=False)
                return watch.ended(await self.drive(joined, given)).data
            async with own_session(self._sessions) as own:
                flow = execute_in_transaction(plan, schema, owned=True)
                return watch.ended(await self.drive(flow, own)).data


def _async_session() -> type[AsyncSession]:
    from sqlalchemy.ext.asyncio import AsyncSession  # noqa: PLC0415 # needs greenlet, an extra

    return AsyncSession

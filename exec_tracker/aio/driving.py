"""Drive a flow in an event loop: the async half of what every tracker does."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL
from sqlalchemy.util import greenlet_spawn

from exec_tracker.aio.finishing import to_the_end
from exec_tracker.aio.heartbeat import HeartbeatTask
from exec_tracker.aio.polling import AsyncSharedReads
from exec_tracker.connections import (
    MOST_CONNECTIONS,
    check_engine,
    engine_of_factory,
    engine_options,
)
from exec_tracker.database import Database
from exec_tracker.ending import replace_ended
from exec_tracker.errors import ConfigurationError
from exec_tracker.executors import is_asynchronous
from exec_tracker.flow import Ask, EscapedStopError, Invoke, Lend, Poll, Sleep, Within
from exec_tracker.instrumenting import Instrumented
from exec_tracker.repository import ExecutionRepository
from exec_tracker.settings import normalise_url

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Sequence
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

    from exec_tracker.flow import Command
    from exec_tracker.leases import HeldLease, Renewal


class AsyncDriver(Instrumented):
    """The async twin of Driver: the same core, called in greenlets, so that the loop runs on.

    What is being written when the caller is cancelled is awaited to its end; the cancellation is
    delivered afterwards.
    """

    def __init__(
        self,
        bind: AsyncEngine | async_sessionmaker[AsyncSession] | URL | str,
        *,
        schema: str | None,
    ) -> None:
        """Open nothing yet; raises ConfigurationError for a bind that cannot work."""
        self._engine, owns = _resolve_async_engine(bind)
        self._sessions = _session_factory(bind, self._engine)
        self._database = Database(check_engine(self._engine.sync_engine), schema, owned=owns)
        self._closed = False
        self._reads = AsyncSharedReads(lambda id_: self._ask(ExecutionRepository.read, id_))
        self._heartbeat = HeartbeatTask(self._renew, self._close_renewals)

    async def aclose(self) -> None:
        """Stop the heartbeat and dispose of what the tracker made itself; never the host's engine.

        Work that is running goes on, is kept alive and stores its result; new calls raise
        ConfigurationError.
        """
        self._closed = True
        await self._heartbeat.stop()
        await greenlet_spawn(self._database.retire)

    async def drive(
        self,
        flow: Generator[Command, Any, Any],
        session: AsyncSession | None = None,
        step: Callable[[Any], Command] | None = None,
        answer: Any = None,
    ) -> Any:
        """Give a flow what it asks for until it returns; its exceptions are the caller's.

        Returns a Lend without a function, so that a block can be entered; with `step` and `answer`
        the flow goes on from there.
        """
        step = step or flow.send
        cancelled: list[BaseException] = []
        while True:
            try:
                command = step(answer)
                if isinstance(command, Lend) and command.function is None and not cancelled:
                    return command
            except StopIteration as done:
                if cancelled:
                    raise cancelled[0] from None
                return done.value
            except EscapedStopError as escaped:
                raise RuntimeError("the executor raised StopIteration") from escaped.error
            except BaseException as exc:
                if cancelled:
                    raise cancelled[0] from exc
                raise
            try:
                answer, step = await self._answer(command, session, cancelled), flow.send
            except EscapedStopError as escaped:
                answer, step = escaped.error, flow.throw
            except BaseException as exc:  # noqa: BLE001 # the flow decides about all of them
                answer, step = exc, flow.throw

    async def _answer(self, command: Command, session: Any, cancelled: list[BaseException]) -> Any:
        work = self._uninterruptible(command, session)
        if work is not None:
            return await to_the_end(work, cancelled)
        if cancelled:
            raise cancelled.pop()
        return await self._interruptible(command, session)

    def _uninterruptible(self, command: Command, session: Any) -> Coroutine[Any, Any, Any] | None:
        """Return what must be awaited to its end, since a write may be on its way."""
        if type(command) is Ask:  # most of all
            return self._ask(command.method, *command.arguments)
        match command:
            case Within(core, arguments):
                work: Coroutine[Any, Any, Any] = session.run_sync(core, *arguments)
                return work
            case Sleep(seconds, interruptible=False):
                return asyncio.sleep(seconds)
        return None

    async def _interruptible(self, command: Command, session: Any) -> Any:
        match command:
            case Invoke(function, context):
                command.started = True
                return await _call(function, context)
            case Sleep(seconds):
                return await asyncio.sleep(seconds)
            case Poll(execution_id, freshness):
                return await self._reads.read(execution_id, freshness)
            case Lend(None):  # the block was cancelled before it began: raised above
                return None
            case Lend(function) if function is not None and is_asynchronous(function):
                return await function(session)
            case Lend(function):
                return await session.run_sync(function)

    def _ask(
        self, core: Callable[..., Any], *arguments: Any, **keywords: Any
    ) -> Coroutine[Any, Any, Any]:
        return greenlet_spawn(self._database.ask, core, *arguments, **keywords)

    async def _query(self, core: Callable[..., Any], **keywords: Any) -> Any:
        self.check_open()
        return await greenlet_spawn(self._database.query, core, **keywords)

    async def ask(self, core: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Call a core function with a repository on an autocommitted connection."""
        self.check_open()
        return await self.finish(core, *arguments, **keywords)

    async def finish(self, core: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Do the same for work that began before the tracker was closed."""
        cancelled: list[BaseException] = []
        answer = await to_the_end(self._ask(core, *arguments, **keywords), cancelled)
        if cancelled:
            raise cancelled[0]
        return answer

    async def renew_now(self, lease: HeldLease) -> None:
        """Renew one lease and wait until it is; raises what the database raises."""
        await to_the_end(self._heartbeat.beat([lease]), [])

    async def _renew(self, claims: Sequence[Renewal]) -> dict[UUID, bool]:
        with self._renewing(claims) as answer:
            answer.update(await greenlet_spawn(self._database.renew, claims))
        return answer

    async def _close_renewals(self) -> None:
        await greenlet_spawn(self._database.close)

    async def quiesce(self, lease: HeldLease) -> None:
        """Stop renewing a lease, and wait for a renewal that is on its way."""
        await to_the_end(self._heartbeat.quiesce(lease), [])

    def check_open(self) -> None:
        """Raise ConfigurationError once the tracker is closed."""
        if self._closed:
            raise ConfigurationError("This tracker is closed; make another one.")


async def _call(function: Callable[..., Any], context: Any) -> Any:
    """Call the user's function: a coroutine in the loop, a plain one in a thread."""
    if is_asynchronous(function):
        return await function(context)
    answer = await asyncio.to_thread(_call_in_thread, function, context)
    if isinstance(answer, EscapedStopError):
        raise answer
    return await answer if inspect.isawaitable(answer) else answer


def _call_in_thread(function: Callable[..., Any], context: Any) -> Any:
    """Call a plain function; its StopIteration is returned, since no future can carry it."""
    try:
        return function(context)
    except StopIteration as stop:
        return EscapedStopError(stop)


def _session_factory(bind: Any, engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    from sqlalchemy.ext.asyncio import async_sessionmaker  # noqa: PLC0415 # needs greenlet, an extra

    return bind if isinstance(bind, async_sessionmaker) else async_sessionmaker(engine)


def _resolve_async_engine(bind: Any) -> tuple[AsyncEngine, bool]:
    if isinstance(bind, str | URL):
        bind = normalise_url(bind, asynchronous=True)  # says which driver is missing
    try:
        from sqlalchemy.ext.asyncio import (  # noqa: PLC0415 # needs greenlet, an extra
            AsyncEngine,
            async_sessionmaker,
            create_async_engine,
        )
    except ImportError as exc:
        raise ConfigurationError(
            "AsyncExecutionTracker needs greenlet, which is not installed: "
            "pip install 'sqlalchemy[asyncio]'"
        ) from exc
    if isinstance(bind, URL):
        # As many as SQLAlchemy opens at most, kept: it would close what is beyond the first five
        # after every statement, and open it again for the next. The last used first: its server
        # process has its caches warm.
        kept: dict[str, Any] = {"pool_size": MOST_CONNECTIONS, "max_overflow": 0}
        engine = create_async_engine(bind, pool_use_lifo=True, **kept, **engine_options(bind))
        replace_ended(engine.sync_engine)
        return engine, True
    if isinstance(bind, AsyncEngine):
        return bind, False
    if isinstance(bind, async_sessionmaker):
        engine_of_factory(bind)
        engine = bind.kw["bind"]
        return engine, False
    raise ConfigurationError(
        "AsyncExecutionTracker needs an AsyncEngine, an async_sessionmaker or a URL, and "
        f"{type(bind).__name__} is none of them."
    )

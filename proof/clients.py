"""One face for both trackers over every driver: calls that block, as a host's thread makes them."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from exec_tracker import AsyncExecutionTracker, ExecutionTracker, normalise_url

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from types import TracebackType

    from sqlalchemy import Engine
    from sqlalchemy.engine import URL

    from exec_tracker import (
        ExecuteOptions,
        ExecutionContext,
        ExecutionOutcome,
        ExecutionResult,
    )

    Function = Callable[[ExecutionContext], Any]
    Write = Callable[[Session], Any]

T = TypeVar("T")

_SYNC = {"psycopg2": "psycopg2", "psycopg 3": "psycopg"}
# A tracker that is given a URL keeps connections of its own from one statement to the next.
_BY_URL = {"psycopg2 by URL": "psycopg2", "psycopg 3 by URL": "psycopg"}
_ASYNC = {"psycopg 3 async": "psycopg", "asyncpg": "asyncpg"}
DRIVERS = (*_SYNC, *_BY_URL, *_ASYNC)


class Client(ABC):
    """A tracker, and an engine that is the host's; made by `open_client`."""

    engine: Engine
    keeps_connections: bool = False

    def __init__(self) -> None:
        """Cancel no call; in an event loop those that take longer than `patience` are."""
        self.patience: Callable[[], float | None] = lambda: None

    @abstractmethod
    def execute(
        self, options: ExecuteOptions, function: Function, **settings: Any
    ) -> ExecutionResult[Any]:
        """Work in the external mode."""

    @abstractmethod
    def transact(self, options: ExecuteOptions, write: Write, **settings: Any) -> Any:
        """Work in a transaction of the tracker's own."""

    @abstractmethod
    def join(self, options: ExecuteOptions, write: Write, **settings: Any) -> Any:
        """Work in a transaction of the host's, which the host commits."""

    @abstractmethod
    def handle(self, options: ExecuteOptions, function: Function, **settings: Any) -> Any:
        """Claim the key, renew the claim, work, and complete it by its handle."""

    @abstractmethod
    def many(
        self, requests: Sequence[ExecuteOptions], function: Function
    ) -> Sequence[ExecutionOutcome[Any]]:
        """Work in the external mode under many keys."""

    @abstractmethod
    def forget_connections(self) -> None:
        """Close what the host's pool keeps, so that the next call connects anew."""

    @abstractmethod
    def close(self) -> None:
        """Close the tracker, then the host's engine."""

    @property
    def checked_out(self) -> int:
        """How many connections of the pool somebody has, or has lost."""
        pool: Any = self.engine.pool
        return int(pool.checkedout())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_client(
    driver: str, url: str, *, engine: Mapping[str, Any] | None = None, **settings: Any
) -> Client:
    """Make a client over one of DRIVERS; `settings` are the tracker's."""
    name = (_SYNC | _BY_URL | _ASYNC)[driver]
    fitting = make_url(url).set(drivername=f"postgresql+{name}")
    fitting = normalise_url(fitting, asynchronous=driver in _ASYNC)
    if driver in _ASYNC:
        return _AsyncClient(fitting, engine or {}, settings)
    return _SyncClient(fitting, engine or {}, settings, by_url=driver in _BY_URL)


class _SyncClient(Client):
    def __init__(
        self, url: URL, engine: Mapping[str, Any], settings: Mapping[str, Any], *, by_url: bool
    ) -> None:
        super().__init__()
        self.engine = create_engine(url, **engine)
        self.keeps_connections = by_url
        self._tracker = ExecutionTracker(url if by_url else self.engine, **settings)

    def execute(
        self, options: ExecuteOptions, function: Function, **settings: Any
    ) -> ExecutionResult[Any]:
        return self._tracker.execute(options, function, **settings)

    def transact(self, options: ExecuteOptions, write: Write, **settings: Any) -> Any:
        return self._tracker.execute_in_transaction(options, write, **settings)

    def join(self, options: ExecuteOptions, write: Write, **settings: Any) -> Any:
        with Session(self.engine) as session:
            result = self._tracker.execute_in_transaction(
                options, write, session=session, **settings
            )
            session.commit()
            return result

    def handle(self, options: ExecuteOptions, function: Function, **settings: Any) -> Any:
        with self._tracker.claim(options, **settings) as claim:
            if claim.cached:
                return claim.result
            claim.heartbeat()
            return claim.complete(function(claim.context))

    def many(
        self, requests: Sequence[ExecuteOptions], function: Function
    ) -> Sequence[ExecutionOutcome[Any]]:
        return self._tracker.execute_many(requests, function)

    def forget_connections(self) -> None:
        self.engine.dispose()

    def close(self) -> None:
        self._tracker.close()
        self.engine.dispose()


class _AsyncClient(Client):
    def __init__(self, url: URL, engine: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        super().__init__()
        self._loop = _Loop()
        self._engine = create_async_engine(url, **engine)
        self.engine = self._engine.sync_engine
        self._tracker = AsyncExecutionTracker(self._engine, **settings)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        async def impatiently() -> T:
            async with asyncio.timeout(self.patience()):
                return await work

        return self._loop.run(impatiently())

    def execute(
        self, options: ExecuteOptions, function: Function, **settings: Any
    ) -> ExecutionResult[Any]:
        async def call(context: ExecutionContext) -> Any:
            return function(context)

        return self._run(self._tracker.execute(options, call, **settings))

    def transact(self, options: ExecuteOptions, write: Write, **settings: Any) -> Any:
        return self._run(self._tracker.execute_in_transaction(options, write, **settings))

    def join(self, options: ExecuteOptions, write: Write, **settings: Any) -> Any:
        async def call() -> Any:
            async with AsyncSession(self._engine) as session:
                result = await self._tracker.execute_in_transaction(
                    options, write, session=session, **settings
                )
                await session.commit()
                return result

        return self._run(call())

    def handle(self, options: ExecuteOptions, function: Function, **settings: Any) -> Any:
        async def call() -> Any:
            async with self._tracker.claim(options, **settings) as claim:
                if claim.cached:
                    return claim.result
                await claim.heartbeat()
                return await claim.complete(function(claim.context))

        return self._run(call())

    def many(
        self, requests: Sequence[ExecuteOptions], function: Function
    ) -> Sequence[ExecutionOutcome[Any]]:
        async def call(context: ExecutionContext) -> Any:
            return function(context)

        return self._run(self._tracker.execute_many(requests, call))

    def forget_connections(self) -> None:
        self._loop.run(self._engine.dispose())

    def close(self) -> None:
        self._loop.run(self._tracker.aclose())
        self._loop.run(self._engine.dispose())
        self._loop.stop()


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and block for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

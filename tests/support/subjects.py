"""One face for the sync and the async tracker, so that a scenario is written once for both."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

import exec_tracker
from exec_tracker import ExecutionTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from sqlalchemy.engine import URL

_SYNC: Final = {"sync-psycopg2": "psycopg2", "sync-psycopg3": "psycopg"}
_ASYNC: Final = {"async-psycopg3": "psycopg", "async-asyncpg": "asyncpg"}

DRIVERS: Final = (*_SYNC, *(_ASYNC if hasattr(exec_tracker, "AsyncExecutionTracker") else ()))


class Subject(ABC):
    """A tracker on a host's engine; its methods block and return plain values.

    Executors are plain functions: the async tracker runs them in threads.
    """

    def __init__(self, driver: str) -> None:
        self.driver = driver

    @property
    @abstractmethod
    def tracker(self) -> Any:
        """The tracker itself, for what is not called but attached to it."""

    @abstractmethod
    def __getattr__(self, name: str) -> Callable[..., Any]: ...

    @property
    @abstractmethod
    def pool(self) -> Any:
        """The host engine's pool."""

    @abstractmethod
    def host_query(self, statement: str) -> Any:
        """Run the host's own statement through its engine and return the first value."""

    @abstractmethod
    def go_on_forked(self) -> None:
        """Prepare this end for use in a child that was forked; the tracker is left as it is."""

    @abstractmethod
    def close_tracker(self) -> None:
        """Close the tracker only; it may be done again."""

    @abstractmethod
    def close(self) -> None:
        """Close the tracker, and the host's engine after it."""


class SyncSubject(Subject):
    def __init__(
        self,
        driver: str,
        url: URL,
        engine: Mapping[str, Any],
        settings: Mapping[str, Any],
        *,
        own_engine: bool,
    ) -> None:
        super().__init__(driver)
        self._engine = create_engine(url, **engine)
        self._tracker = ExecutionTracker(url if own_engine else self._engine, **settings)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._tracker, name)
        return method

    @property
    def tracker(self) -> Any:
        return self._tracker

    @property
    def pool(self) -> Any:
        return self._engine.pool

    def host_query(self, statement: str) -> Any:
        with self._engine.connect() as connection:
            return connection.exec_driver_sql(statement).scalar()

    def go_on_forked(self) -> None:
        pass

    def close_tracker(self) -> None:
        self._tracker.close()

    def close(self) -> None:
        self.close_tracker()
        self._engine.dispose()


class AsyncSubject(Subject):
    def __init__(
        self,
        driver: str,
        url: URL,
        engine: Mapping[str, Any],
        settings: Mapping[str, Any],
        *,
        own_engine: bool,
    ) -> None:
        from sqlalchemy.ext.asyncio import create_async_engine

        super().__init__(driver)
        self._loop = LoopThread()
        self._engine = create_async_engine(url, **engine)
        make: Any = exec_tracker.AsyncExecutionTracker
        self._tracker = make(url if own_engine else self._engine, **settings)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._tracker, name)
        return lambda *arguments, **keywords: self._loop.run(method(*arguments, **keywords))

    @property
    def tracker(self) -> Any:
        return self._tracker

    @property
    def pool(self) -> Any:
        return self._engine.sync_engine.pool

    def host_query(self, statement: str) -> Any:
        async def query() -> Any:
            async with self._engine.connect() as connection:
                return (await connection.exec_driver_sql(statement)).scalar()

        return self._loop.run(query())

    def go_on_forked(self) -> None:
        self._loop = LoopThread()  # threads are not forked

    def close_tracker(self) -> None:
        self._loop.run(self._tracker.aclose())

    def close(self) -> None:
        self.close_tracker()
        self._loop.run(self._engine.dispose())
        self._loop.stop()


class LoopThread:
    """An event loop in a thread of its own, which survives what interrupts it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # The default of cores + 4 threads is fewer than tests hold up at once.
        self._threads = concurrent.futures.ThreadPoolExecutor(256)
        self._loop.set_default_executor(self._threads)
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="event loop", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the loop and block for its result."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except concurrent.futures.CancelledError as exc:
            raise asyncio.CancelledError from exc

    def stop(self) -> None:
        """End the loop and its thread."""
        self._stopping = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._threads.shutdown()

    def _serve(self) -> None:
        while not self._stopping:
            try:
                self._loop.run_forever()
            except (KeyboardInterrupt, SystemExit):
                continue  # asyncio lets these through; the coroutine that raised them has ended


@contextmanager
def open_subject(
    driver: str,
    url: str,
    *,
    engine: Mapping[str, Any] | None = None,
    own_engine: bool = False,
    **settings: Any,
) -> Iterator[Subject]:
    """Yield a tracker with these settings, on a host engine with these options or on its own."""
    name = _SYNC.get(driver) or _ASYNC[driver]
    kind = SyncSubject if driver in _SYNC else AsyncSubject
    fitting = make_url(url).set(drivername=f"postgresql+{name}")
    subject = kind(driver, fitting, engine or {}, settings, own_engine=own_engine)
    try:
        yield subject
    finally:
        subject.close()

"""Claim handles of both trackers behind one blocking face."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from exec_tracker import AsyncExecutionTracker, ExecutionTracker
from tests.support.subjects import LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SYNC = {"sync-psycopg2": "psycopg2", "sync-psycopg3": "psycopg"}
ASYNC = {"async-psycopg3": "psycopg", "async-asyncpg": "asyncpg"}
DRIVERS = (*SYNC, *ASYNC)

P = ParamSpec("P")
T = TypeVar("T")


class Idempotent(Protocol):
    """The decorator of a tracker, for one workflow and user."""

    def __call__(self, **settings: Any) -> Callable[[Callable[P, T]], Callable[P, T]]: ...


class Handle:
    """A claim handle; what has to be awaited is awaited here."""

    def __init__(self, claim: Any, run: Callable[[Any], Any]) -> None:
        self._claim = claim
        self._run = run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._claim, name)

    def complete(self, result: Any = None) -> Any:
        return self._run(self._claim.complete(result))

    def fail(self, error: BaseException | str, **keywords: Any) -> None:
        self._run(self._claim.fail(error, **keywords))

    def heartbeat(self) -> None:
        self._run(self._claim.heartbeat())

    def detach(self, **keywords: Any) -> None:
        self._run(self._claim.detach(**keywords))


class Door:
    """A tracker whose claims are entered, or only made; all calls block."""

    def __init__(self, tracker: Any, run: Callable[[Any], Any], close: Callable[[], None]) -> None:
        self._tracker = tracker
        self.run = run
        self.close = close
        self.blocking = isinstance(tracker, ExecutionTracker)

    def call(self, verb: str, *arguments: Any, **keywords: Any) -> Any:
        """Call a method of the tracker."""
        return self.run(getattr(self._tracker, verb)(*arguments, **keywords))

    def claim(self, options: Any, **settings: Any) -> Handle:
        """Claim without a block: `claim()`, or `await claim()`."""
        return Handle(self.run(self._tracker.claim(options, **settings)), self.run)

    @contextmanager
    def claimed(self, options: Any, **settings: Any) -> Iterator[Handle]:
        """Claim as a block: `with claim()`, or `async with claim()`."""
        with _block(self._tracker.claim(options, **settings), self.run) as claim:
            yield Handle(claim, self.run)

    def block(self, options: Any, **settings: Any) -> Any:
        """Enter the transactional mode's block."""
        return _block(self._tracker.transaction(options, **settings), self.run)


@contextmanager
def _block(entered: Any, run: Callable[[Any], Any]) -> Iterator[Any]:
    if hasattr(entered, "__enter__"):
        with entered as handle:
            yield handle
        return
    handle = run(entered.__aenter__())
    try:
        yield handle
    except BaseException as exc:
        if not run(entered.__aexit__(type(exc), exc, exc.__traceback__)):
            raise
    else:
        run(entered.__aexit__(None, None, None))


@contextmanager
def open_door(driver: str, url: str, **settings: Any) -> Iterator[Door]:
    """Yield a tracker on an engine of the host's, with these settings."""
    if driver in SYNC:
        engine = create_engine(make_url(url).set(drivername=f"postgresql+{SYNC[driver]}"))
        tracker = ExecutionTracker(engine, **settings)
        yield Door(tracker, lambda value: value, tracker.close)
        tracker.close()
        engine.dispose()
        return
    loop = LoopThread()

    def run(work: Any) -> Any:
        return loop.run(_await(work))

    async_engine = create_async_engine(make_url(url).set(drivername=f"postgresql+{ASYNC[driver]}"))
    async_tracker = AsyncExecutionTracker(async_engine, **settings)
    yield Door(async_tracker, run, lambda: run(async_tracker.aclose()))
    run(async_tracker.aclose())
    run(_cancel_others())
    run(async_engine.dispose())
    loop.stop()


async def _cancel_others() -> None:
    """Cancel what still runs in the loop, as asyncio.run does at its end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _await(work: Any) -> Any:
    return await work

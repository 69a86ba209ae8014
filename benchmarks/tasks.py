"""A crew of tasks on one event loop, and how long that loop was blocked."""

from __future__ import annotations

import asyncio
import itertools
from array import array
from contextlib import contextmanager
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any

from benchmarks.crew import FRESH, WARM_UP, Crew

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks.contenders.base import AsyncContender


class Tasks(Crew):
    """The callers of an asynchronous contender; its loop stands still between commands."""

    def __init__(self, contender: AsyncContender) -> None:
        super().__init__()
        self._contender = contender
        self._loop = asyncio.new_event_loop()

    @property
    def keys_per_call(self) -> int:
        """How many keys one call stands for."""
        return 1

    def call(self, kind: str, caller: int, key: str) -> Any:
        """Make one call on the loop."""
        return self._loop.run_until_complete(self._verb(kind)(caller, key))

    def close(self) -> dict[str, Any]:
        """Close the contender and the loop."""
        self._loop.run_until_complete(self._contender.close())
        self._loop.close()
        return {}

    def stalls(self, kind: str, callers: int, seconds: float) -> dict[str, Any]:
        """Measure every turn of the loop, by the wall clock and by this thread's processor time.

        The wall clock counts what other processes took of the processors meanwhile.
        """
        with _timed_turns() as turns:
            self._race(kind, callers, seconds)
        wall = sorted(turns.wall)
        return {
            "turns": len(wall),
            "wall_ms": wall[-1] * 1e3,
            "wall_p999_ms": wall[int(len(wall) * 0.999)] * 1e3,
            "processor_ms": max(turns.processor) * 1e3,
        }

    def _open(self, url: str, callers: int) -> None:
        self._loop.run_until_complete(self._contender.open(url, callers))

    def _verb(self, kind: str) -> Callable[[int, str], Awaitable[Any]]:
        return self._contender.fresh if kind == FRESH else self._contender.replay

    def _all(self, callers: int, work: Callable[[int], Awaitable[Any]]) -> list[Any]:
        async def run() -> list[Any]:
            return list(await asyncio.gather(*(work(caller) for caller in range(callers))))

        return self._loop.run_until_complete(run())

    def _race(self, kind: str, callers: int, seconds: float) -> list[float]:
        verb = self._verb(kind)

        async def run(caller: int) -> float:
            keys = self.keys(kind, caller)
            warm = perf_counter() + seconds * WARM_UP
            while perf_counter() < warm:
                await verb(caller, next(keys))
            count, began = 0, perf_counter()
            while perf_counter() - began < seconds:
                await verb(caller, next(keys))
                count += 1
            return count / (perf_counter() - began)

        return self._all(callers, run)

    def _share(self, kind: str, executions: int, callers: int) -> None:
        verb = self._verb(kind)

        async def run(caller: int) -> None:
            for key in itertools.islice(self.keys(kind, caller), executions // callers):
                await verb(caller, key)

        self._all(callers, run)

    def _together(self, callers: int, pause: float, key: str) -> tuple[float, list[Any]]:
        self._contender.pause = pause
        began = perf_counter()
        results = self._all(callers, lambda caller: self._contender.together(caller, key))
        self._contender.pause = 0.0
        return perf_counter() - began, results


class _Turns:
    """How long each callback took; arrays, since objects would have the garbage collector run."""

    def __init__(self) -> None:
        self.wall = array("d")
        self.processor = array("d")


@contextmanager
def _timed_turns() -> Iterator[_Turns]:
    """Time every callback that an event loop runs: while one runs, the loop is blocked."""
    turns = _Turns()
    original = asyncio.Handle._run  # noqa: SLF001 # the one place that all callbacks go through

    def timed(handle: asyncio.Handle) -> None:
        began, worked = perf_counter(), thread_time()
        original(handle)
        turns.wall.append(perf_counter() - began)
        turns.processor.append(thread_time() - worked)

    asyncio.Handle._run = timed  # type: ignore[method-assign,assignment] # noqa: SLF001
    try:
        yield turns
    finally:
        asyncio.Handle._run = original  # type: ignore[method-assign] # noqa: SLF001

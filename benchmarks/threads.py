"""A crew of threads: each caller keeps its thread, and with it whatever a library keeps there."""

from __future__ import annotations

import itertools
import threading
from functools import partial
from queue import SimpleQueue
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.crew import FRESH, WARM_UP, Crew

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contenders.base import Contender


class Threads(Crew):
    """The callers of a synchronous contender."""

    def __init__(self, contender: Contender) -> None:
        super().__init__()
        self._contender = contender
        self._work: list[SimpleQueue[Callable[[], Any]]] = []
        self._done: list[SimpleQueue[Any]] = []

    @property
    def keys_per_call(self) -> int:
        """How many keys one call stands for."""
        return self._contender.keys_per_call

    def call(self, kind: str, caller: int, key: str) -> Any:
        """Make one call in the caller's thread."""
        return self._all([caller], lambda one: self._verb(kind)(one, key))[0]

    def calls(self, kind: str, times: int) -> dict[str, Any]:
        """Let the first caller call so many times, without going back and forth for each."""
        self._share(kind, times, 1)
        return {"keys": times * self.keys_per_call}

    def close(self) -> dict[str, Any]:
        """Close the contender."""
        self._contender.close()
        return {}

    def _open(self, url: str, callers: int) -> None:
        self._contender.open(url, callers)
        for caller in range(callers):
            self._work.append(SimpleQueue())
            self._done.append(SimpleQueue())
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: int) -> None:
        while True:
            work = self._work[caller].get()
            try:
                self._done[caller].put(work())
            except BaseException as exc:  # noqa: BLE001 # handed to the one who asked
                self._done[caller].put(exc)

    def _all(self, callers: list[int], work: Callable[[int], Any]) -> list[Any]:
        """Have every caller do its work, and return what they did, or raise what one raised."""
        for caller in callers:
            self._work[caller].put(partial(work, caller))
        results = [self._done[caller].get() for caller in callers]
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results

    def _verb(self, kind: str) -> Callable[[int, str], Any]:
        return self._contender.fresh if kind == FRESH else self._contender.replay

    def _race(self, kind: str, callers: int, seconds: float) -> list[float]:
        verb = self._verb(kind)
        start = threading.Barrier(callers)

        def run(caller: int) -> float:
            keys = self.keys(kind, caller)
            warm = perf_counter() + seconds * WARM_UP
            while perf_counter() < warm:
                verb(caller, next(keys))
            start.wait(60)
            count, began = 0, perf_counter()
            while perf_counter() - began < seconds:
                verb(caller, next(keys))
                count += 1
            return count / (perf_counter() - began)

        return self._all(list(range(callers)), run)

    def _share(self, kind: str, executions: int, callers: int) -> None:
        verb = self._verb(kind)

        def run(caller: int) -> None:
            for key in itertools.islice(self.keys(kind, caller), executions // callers):
                verb(caller, key)

        self._all(list(range(callers)), run)

    def _together(self, callers: int, pause: float, key: str) -> tuple[float, list[Any]]:
        start = threading.Barrier(callers)
        self._contender.pause = pause

        def run(caller: int) -> tuple[float, float, Any]:
            start.wait(60)
            began = perf_counter()
            result = self._contender.together(caller, key)
            return began, perf_counter(), result

        done = self._all(list(range(callers)), run)
        self._contender.pause = 0.0
        seconds = max(end for _, end, _ in done) - min(began for began, _, _ in done)
        return seconds, [result for _, _, result in done]

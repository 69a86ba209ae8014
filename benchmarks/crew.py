"""What a lane is asked for: windows of calls, a number of calls, all callers on one key."""

from __future__ import annotations

import gc
import itertools
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.contenders.base import RESULT
from benchmarks.keys import TIME_ORDERED, filled_keys, new_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

FRESH: Final = "fresh"
REPLAY: Final = "replay"

RING: Final = 25
"""How many keys each caller makes once, to replay them in turn."""
WARM_UP: Final = 0.1
"""The part of a window that is run before it and not counted: caches are cold after a pause."""


class Crew(ABC):
    """The callers of one contender. Each has an endless supply of keys for either kind of call."""

    def __init__(self) -> None:
        self.callers = 0
        self._new: list[Iterator[str]] = []
        self._old: list[Iterator[str]] = []

    def open(
        self, url: str, callers: int, style: str = TIME_ORDERED, filled: list[int] | None = None
    ) -> dict[str, Any]:
        """Open the contender, and make the keys that will be replayed, or take a filled table's."""
        self.callers = callers
        self._open(url, callers)
        self._new = [new_keys(style, caller) for caller in range(callers)]
        if filled:
            self._old = [filled_keys(style, *filled) for _ in range(callers)]
        else:
            self._old = [self._ring(caller) for caller in range(callers)]
        return {"opened": callers}

    def window(self, kind: str, callers: int, seconds: float) -> dict[str, Any]:
        """Let some callers call for a while, and return how many keys they did per second."""
        return {"rate": sum(self._race(kind, callers, seconds)) * self.keys_per_call}

    def calls(self, kind: str, times: int) -> dict[str, Any]:
        """Let the first caller call so many times."""
        for key in itertools.islice(self.keys(kind, 0), times):
            self.call(kind, 0, key)
        return {"keys": times * self.keys_per_call}

    def together(self, callers: int, pause: float, key: str) -> dict[str, Any]:
        """Let callers begin at once on one fresh key whose function takes a while.

        Returns the seconds until the last one has the result.
        """
        seconds, results = self._together(callers, pause, key)
        return {"seconds": seconds, "correct": results == [RESULT] * callers}

    def grow(self, kind: str, executions: int, callers: int, steps: int) -> dict[str, Any]:
        """Run so many executions, and return the process's memory after every part of them."""
        memory = []
        for _ in range(steps):
            self._share(kind, executions // steps, callers)
            gc.collect()
            memory.append(resident_kib())
        return {"kib": memory}

    def stalls(self, kind: str, callers: int, seconds: float) -> dict[str, Any]:
        """Measure how long the event loop was blocked at most; for asynchronous contenders."""
        raise NotImplementedError

    @abstractmethod
    def close(self) -> dict[str, Any]:
        """Close the contender."""

    def keys(self, kind: str, caller: int) -> Iterator[str]:
        """Return a caller's supply of keys."""
        return (self._new if kind == FRESH else self._old)[caller]

    @property
    @abstractmethod
    def keys_per_call(self) -> int:
        """How many keys one call stands for."""

    @abstractmethod
    def call(self, kind: str, caller: int, key: str) -> Any:
        """Make one call and wait for its result."""

    @abstractmethod
    def _open(self, url: str, callers: int) -> None: ...

    @abstractmethod
    def _race(self, kind: str, callers: int, seconds: float) -> list[float]: ...

    @abstractmethod
    def _share(self, kind: str, executions: int, callers: int) -> None: ...

    @abstractmethod
    def _together(self, callers: int, pause: float, key: str) -> tuple[float, list[Any]]: ...

    def _ring(self, caller: int) -> Iterator[str]:
        keys = list(itertools.islice(self._new[caller], RING))
        for kind in (FRESH, REPLAY):
            for key in keys:
                self._check(self.call(kind, caller, key))
        return itertools.cycle(keys)

    def _check(self, result: Any) -> None:
        right = self.keys_per_call if self.keys_per_call > 1 else RESULT
        if result != right:
            raise AssertionError(f"the result is {result!r}")


def resident_kib() -> int:
    """Return how much memory this process has in use."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0

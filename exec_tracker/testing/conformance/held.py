"""A function that is held up while a check does something to its claim."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from exec_tracker.testing.conformance.verdicts import demand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exec_tracker.testing.conformance.site import Site
    from exec_tracker.types import ExecuteOptions, ExecutionResult

__all__ = ["HOUR", "Counted", "Owner", "holding"]

HOUR: Final = timedelta(hours=1)
"""A lease that neither ends nor is renewed while a check runs."""


class Counted:
    """A function that counts its runs."""

    def __init__(self, result: Any) -> None:
        """Return this."""
        self._result = result
        self._runs: list[Any] = []  # appending is atomic, and adding to a number is not

    @property
    def times(self) -> int:
        """How often it ran."""
        return len(self._runs)

    def __call__(self) -> Any:
        """Run."""
        self._runs.append(1)
        return self._result


class Owner:
    """Whoever runs the function: it has begun, and ends when it is told to."""

    def __init__(self, running: Future[ExecutionResult[Any]], go_on: threading.Event) -> None:
        """Hold the call and what it waits for."""
        self._running = running
        self._go_on = go_on

    def end(self, patience: float) -> ExecutionResult[Any] | BaseException:
        """Let the function return, and give what its caller was answered."""
        self._go_on.set()
        error = self._running.exception(patience)
        return self._running.result() if error is None else error


@contextmanager
def holding(site: Site, options: ExecuteOptions, result: Any = "first") -> Iterator[Owner]:
    """Run a function under the key for as long as the block, or until its owner is told to end."""
    begun, go_on = threading.Event(), threading.Event()

    def function() -> Any:
        begun.set()
        go_on.wait()
        return result

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(site.tracker.execute, options, function, lease=HOUR)
        running.add_done_callback(lambda _: begun.set())
        try:
            demand(begun.wait(site.patience), "a fresh key was not claimed")
            if running.done():
                running.result()
            yield Owner(running, go_on)
        finally:
            go_on.set()

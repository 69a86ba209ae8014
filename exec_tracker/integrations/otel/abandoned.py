"""Count a tracker's abandoned executions for a gauge: rarely, briefly, and never in its way."""

from __future__ import annotations

import asyncio
import logging
import os
from concurrent.futures import Future, wait
from threading import Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING
from weakref import ref

from exec_tracker.errors import ConfigurationError
from exec_tracker.tracker import ExecutionTracker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from exec_tracker.aio import AsyncExecutionTracker

_log = logging.getLogger("exec_tracker")

# What a collection may wait for an answer. The server gives up the count itself after two seconds;
# the rest is for a pool that has no connection free.
_PATIENCE = 3.0


class AbandonedCount:
    """The number of abandoned executions, asked for when it is wanted, at most once per `every`.

    The question is put in a thread, or in the async tracker's event loop. Where it is not answered
    in time the last answer is given; where it failed, none.
    """

    def __init__(
        self,
        tracker: ExecutionTracker | AsyncExecutionTracker,
        every: timedelta,
        attributes: Mapping[str, str],
    ) -> None:
        """Ask nothing yet, and keep nobody's tracker alive."""
        self._tracker = ref(tracker)
        self._every = every.total_seconds()
        self.attributes = attributes
        self._loop: asyncio.AbstractEventLoop | None = None
        self.note_loop()
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = Lock()
        self._asking: Future[int] | None = None
        self._due_at = 0.0
        self._count: int | None = None

    def note_loop(self) -> None:
        """Note the event loop in which an async tracker is used."""
        if isinstance(self._tracker(), ExecutionTracker):
            return
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            return

    def latest(self) -> int | None:
        """Return how many there are, as far as it is known; 1,000 stands for that many or more."""
        if self._pid != os.getpid():
            self._begin()  # what was asked before a fork is answered to the parent
        tracker = self._tracker()
        if tracker is None:
            return None
        with self._lock:
            if self._asking is None and monotonic() >= self._due_at:
                self._due_at = monotonic() + self._every
                self._asking = self._ask(tracker)
            asking = self._asking
        if asking is not None and not _in_event_loop():
            wait([asking], timeout=_PATIENCE)
        with self._lock:
            if self._asking is not None and self._asking.done():
                self._count, self._asking = _answer(self._asking), None
            return self._count

    def _ask(self, tracker: ExecutionTracker | AsyncExecutionTracker) -> Future[int] | None:
        try:
            tracker.check_open()
        except ConfigurationError:  # closed: there is nothing to tell any more
            self._count = None
            return None
        if isinstance(tracker, ExecutionTracker):
            return _in_thread(tracker)
        if self._loop is None or not self._loop.is_running():
            return None
        return asyncio.run_coroutine_threadsafe(tracker.count_abandoned(), self._loop)


def _in_thread(tracker: ExecutionTracker) -> Future[int]:
    """Ask in a thread of its own: the host's pool may keep whoever asks waiting."""
    answer: Future[int] = Future()

    def ask() -> None:
        try:
            answer.set_result(tracker.count_abandoned())
        except Exception as exc:  # noqa: BLE001 # handed over, whatever it is
            answer.set_exception(exc)

    Thread(target=ask, name="exec_tracker abandoned gauge", daemon=True).start()
    return answer


def _answer(asked: Future[int]) -> int | None:
    if asked.cancelled():
        return None
    error = asked.exception()
    if error is None:
        return asked.result()
    _log.warning("could not count the abandoned executions: %s", error)
    return None


def _in_event_loop() -> bool:
    """Tell whether waiting here would stop an event loop, perhaps the one that is to answer."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

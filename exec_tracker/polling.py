"""Let all waiters on one key in a process share the reads that look for its ending."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.types import Execution


KEPT_SECONDS = 1.0


@dataclass(slots=True)
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiters: int = 0
    read_at: float = float("-inf")
    seen: Execution | None = None


class SharedReads:
    """One read at a time per key, whose answer serves everybody who asked meanwhile.

    So hundreds of waiters cost one poller and one connection. Nobody gets an answer older than the
    `freshness` they asked for.
    """

    def __init__(self, read: Callable[[str], Execution | None]) -> None:
        """Read through `read`."""
        self._read = read
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    def read(self, execution_id: str, freshness: float) -> Execution | None:
        """Read, or take what another waiter has read at most `freshness` seconds ago."""
        if self._pid != os.getpid():
            self._begin()  # a lock that was held at the fork is never released in the child
        oldest = monotonic() - freshness
        with self._lock:
            entry = self._entries.setdefault(execution_id, _Entry())
            entry.waiters += 1
        try:
            with entry.lock:
                if entry.read_at < oldest:
                    began = monotonic()
                    entry.seen = self._read(execution_id)
                    # Only now: a read that failed or was cancelled has seen nothing.
                    entry.read_at = began
                return entry.seen
        finally:
            self._leave(entry)

    def _leave(self, entry: _Entry) -> None:
        """Forget what nobody waits for any more, a moment after the last has left."""
        now = monotonic()
        with self._lock:
            entry.waiters -= 1
            for key, other in list(self._entries.items()):
                if not other.waiters and now - other.read_at > KEPT_SECONDS:
                    del self._entries[key]

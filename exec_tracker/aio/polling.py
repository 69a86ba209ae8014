"""Let all waiters on one key in an event loop share the reads that look for its ending."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from exec_tracker.polling import KEPT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from exec_tracker.types import Execution


@dataclass(slots=True)
class _Entry:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiters: int = 0
    read_at: float = float("-inf")
    seen: Execution | None = None


class AsyncSharedReads:
    """The async twin of SharedReads: one read at a time per key and loop serves all who asked."""

    def __init__(self, read: Callable[[str], Awaitable[Execution | None]]) -> None:
        """Read through `read`."""
        self._read = read
        self._entries: dict[tuple[int, str], _Entry] = {}

    async def read(self, execution_id: str, freshness: float) -> Execution | None:
        """Read, or take what another waiter has read at most `freshness` seconds ago."""
        oldest = monotonic() - freshness
        key = (id(asyncio.get_running_loop()), execution_id)
        entry = self._entries.setdefault(key, _Entry())
        entry.waiters += 1
        try:
            async with entry.lock:
                if entry.read_at < oldest:
                    began = monotonic()
                    entry.seen = await self._read(execution_id)
                    # Only now: a read that failed or was cancelled has seen nothing.
                    entry.read_at = began
                return entry.seen
        finally:
            self._leave(entry)

    def _leave(self, entry: _Entry) -> None:
        entry.waiters -= 1
        now = monotonic()
        for key, other in list(self._entries.items()):
            if not other.waiters and now - other.read_at > KEPT_SECONDS:
                del self._entries[key]

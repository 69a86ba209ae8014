"""Renew an async tracker's leases from one task, which lives while leases are held."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from exec_tracker.leases import LeaseBook

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import timedelta
    from uuid import UUID

    from exec_tracker.leases import HeldLease, Renewal

_log = logging.getLogger("exec_tracker")

# How long the end of a tracker waits for its last renewal, whose database may be away.
_LAST_BEAT_SECONDS = 5.0


class HeartbeatTask:
    """The async twin of Heartbeat, over the same book; one task while leases are held."""

    def __init__(
        self,
        renew: Callable[[Sequence[Renewal]], Awaitable[dict[UUID, bool]]],
        at_end: Callable[[], Awaitable[None]],
    ) -> None:
        """Renew through `renew`, on a connection not from the host's pool; `at_end` closes it."""
        self._renew = renew
        self._at_end = at_end
        self._book = LeaseBook()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake, self._beating = asyncio.Event(), asyncio.Lock()
        self._wakes_at = float("inf")
        self._stopping = False

    def hold(self, execution_id: str, token: UUID, lease: timedelta, since: float) -> HeldLease:
        """Keep a lease alive until `release`; must be called in the event loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Another loop, or another process: its leases were never ours to renew.
            self._book, self._task, self._loop = LeaseBook(), None, loop
            self._wake, self._beating = asyncio.Event(), asyncio.Lock()
        entry = self._book.add(execution_id, token, lease, since)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run(), name="exec_tracker heartbeat")
        elif entry.due < self._wakes_at:
            self._wake.set()
        return entry

    def release(self, entry: HeldLease) -> None:
        """Stop keeping a lease; the task ends when it next looks and finds none."""
        self._book.remove(entry)
        if self._stopping:
            self._wake.set()

    def beat_now(self, entry: HeldLease) -> None:
        """Have the task renew one lease at once; may be called from any thread."""
        entry.due = 0.0
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake.set)

    async def beat(self, entries: Sequence[HeldLease]) -> None:
        """Renew these leases now; raises what the database raises."""
        async with self._beating:
            held = [one for one in entries if one.token in self._book.held]
            answer = await self._renew([(one.execution_id, one.token, one.lease) for one in held])
            self._book.settle(held, answer, monotonic())

    async def quiesce(self, entry: HeldLease) -> None:
        """Stop keeping a lease, and wait for a renewal of it that is on its way."""
        self.release(entry)
        async with self._beating:
            pass

    async def stop(self) -> None:
        """End the task, at once where nothing is held, else once the last lease is released."""
        self._stopping = True
        if self._loop is not asyncio.get_running_loop():
            return  # a loop that has ended took its task along
        if self._task is not None and not self._book.held:
            # Let it see that nothing is held: to cancel it would tear a renewal that is on its way.
            self._wake.set()
            _, late = await asyncio.wait({self._task}, timeout=_LAST_BEAT_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        # Not `finally`: in a loop that was closed under the task nothing can be awaited any more.
        try:
            while True:
                due = self._book.next_due()
                if due is None:
                    await self._at_end()
                    # A lease that was added meanwhile is kept by this task, which still lives.
                    if self._book.next_due() is None:
                        return
                    continue
                self._wakes_at = due
                await self._sleep(due - monotonic())
                await self._beat_due()
        except asyncio.CancelledError:
            await asyncio.shield(self._at_end())
            raise

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._wake.wait()
        self._wake.clear()

    async def _beat_due(self) -> None:
        now = monotonic()
        due = self._book.next_due()
        if due is None or due > now:
            return
        entries = self._book.take_due(now)
        try:
            await self.beat(entries)
        except Exception:  # noqa: BLE001 # the token still fences; all that is lost is time
            _log.warning(
                "could not renew %d leases; trying again soon", len(entries), exc_info=True
            )
            self._book.postpone(entries, monotonic())

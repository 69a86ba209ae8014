"""Keep the leases of running claims alive, all of a tracker's in one statement."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

_log = logging.getLogger("exec_tracker")

Renewal = tuple[str, "UUID", timedelta]
# A renewal that failed is tried again after this part of the lease.
_RETRY_PART = 10
# Renewals that come due within half a period go along with the first one.
_PERIODS_PER_LEASE = 3
# A thread with nothing to keep ends after so long: it holds on to its tracker, and to a connection.
_IDLE_SECONDS = 10.0


@dataclass(slots=True, eq=False)
class HeldLease:
    """One claim whose lease is kept; `lost` once its token no longer stands on the row."""

    execution_id: str
    token: UUID
    lease: timedelta
    due: float
    lost: bool = False

    @property
    def period(self) -> float:
        """Seconds between renewals: a third of the lease, so that two may fail."""
        return self.lease.total_seconds() / _PERIODS_PER_LEASE


@dataclass(slots=True)
class LeaseBook:
    """The leases a tracker holds in this process, and when each is due; does no I/O."""

    held: dict[UUID, HeldLease] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, execution_id: str, token: UUID, lease: timedelta, since: float) -> HeldLease:
        """Note a lease that began at `since` on the monotonic clock."""
        entry = HeldLease(execution_id, token, lease, 0.0)
        entry.due = since + entry.period
        with self.lock:
            self.held[token] = entry
        return entry

    def remove(self, entry: HeldLease) -> None:
        """Forget a lease; its renewal in flight, if any, no longer matters."""
        with self.lock:
            self.held.pop(entry.token, None)

    def next_due(self) -> float | None:
        """When the earliest renewal is due; None where nothing is held."""
        with self.lock:
            return min((entry.due for entry in self.held.values() if not entry.lost), default=None)

    def take_due(self, now: float) -> list[HeldLease]:
        """Everything to renew in the statement that is due now."""
        with self.lock:
            return [
                entry
                for entry in self.held.values()
                if not entry.lost and entry.due <= now + entry.period / 2
            ]

    def settle(self, entries: Sequence[HeldLease], answer: dict[UUID, bool], now: float) -> None:
        """Note what a renewal gave: renewed, lost, or skipped and to be tried again soon."""
        for entry in entries:
            renewed = answer.get(entry.token)
            entry.lost = renewed is False
            entry.due = now + (entry.period if renewed else entry.period / _RETRY_PART)

    def postpone(self, entries: Sequence[HeldLease], now: float) -> None:
        """Note that a renewal could not be made; it is tried again soon."""
        for entry in entries:
            entry.due = now + entry.period / _RETRY_PART


class Heartbeat:
    """Renew a tracker's leases from one daemon thread, started with the first lease.

    It ends when there has been nothing to keep for a while, and another one is started then.

    Belongs to the process that started it: after a fork the child begins with an empty book and a
    thread of its own.
    """

    def __init__(
        self,
        renew: Callable[[Sequence[Renewal]], dict[UUID, bool]],
        at_end: Callable[[], None],
    ) -> None:
        """Renew through `renew`, on a connection not from the host's pool; `at_end` closes it."""
        self._renew = renew
        self._at_end = at_end
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self.book = LeaseBook()
        self._wake = threading.Event()
        self._wakes_at = float("inf")
        self._beating = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._idle = False

    def hold(self, execution_id: str, token: UUID, lease: timedelta, since: float) -> HeldLease:
        """Keep a lease alive until `release`; blocks for no I/O."""
        if self._pid != os.getpid():
            self._begin()
        entry = self.book.add(execution_id, token, lease, since)
        if self._thread is None:
            self._start()
        elif entry.due < self._wakes_at:
            self._wake.set()
        return entry

    def release(self, entry: HeldLease) -> None:
        """Stop keeping a lease."""
        self.book.remove(entry)
        if self._stopping:
            self._wake.set()

    def beat(self, entries: Sequence[HeldLease]) -> None:
        """Renew these leases now; raises what the database raises."""
        with self._beating:
            held = [one for one in entries if one.token in self.book.held]
            answer = self._renew([(one.execution_id, one.token, one.lease) for one in held])
            self.book.settle(held, answer, monotonic())

    def quiesce(self, entry: HeldLease) -> None:
        """Stop keeping a lease, and wait for a renewal of it that is on its way."""
        self.release(entry)
        with self._beating:
            pass

    def beat_now(self, entry: HeldLease) -> None:
        """Renew one lease now; raises what the database raises."""
        self.beat([entry])

    def stop(self) -> None:
        """End the thread once the last lease is released; returns at once."""
        self._stopping = True
        self._wake.set()

    def _start(self) -> None:
        with self.book.lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="exec_tracker heartbeat", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        while self._goes_on():
            # Infinity first: a lease added while the book is read wakes the thread in any case.
            self._wakes_at = float("inf")
            due = self.book.next_due()
            pause = _IDLE_SECONDS if due is None else max(due - monotonic(), 0.0)
            # Most leases are taken and released while it sleeps, and need not wake it.
            self._wakes_at = monotonic() + pause
            self._idle = not self._wake.wait(pause) and due is None
            self._wake.clear()
            self._beat_due()
        self._at_end()

    def _goes_on(self) -> bool:
        with self.book.lock:
            if (self._stopping or self._idle) and not self.book.held:
                self._thread = None  # under the lock: a lease added next starts another one
                self._idle = False
                return False
            return True

    def _beat_due(self) -> None:
        now = monotonic()
        due = self.book.next_due()
        if due is None or due > now:
            return
        entries = self.book.take_due(now)
        try:
            self.beat(entries)
        except Exception:  # noqa: BLE001 # the token still fences; all that is lost is time
            _log.warning(
                "could not renew %d leases; trying again soon", len(entries), exc_info=True
            )
            self.book.postpone(entries, monotonic())

"""The heartbeat keeps what is held, also around its own end."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from exec_tracker.leases import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from exec_tracker.leases import Renewal

LEASE = timedelta(milliseconds=90)


class Renewals:
    """Counts renewals, and holds them up while told to."""

    def __init__(self) -> None:
        self.count = 0
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def __call__(self, claims: Sequence[Renewal]) -> dict[UUID, bool]:
        self.begun.set()
        self.go_on.wait(10)
        self.count += len(claims)
        return {token: True for _, token, _ in claims}


def eventually(renewals: Renewals, count: int) -> bool:
    end = monotonic() + 10
    while renewals.count < count and monotonic() < end:
        time.sleep(0.01)
    return renewals.count >= count


def test_a_lease_taken_after_the_tracker_was_closed_is_still_kept() -> None:
    renewals = Renewals()
    heartbeat = Heartbeat(renewals, lambda: None)
    first = heartbeat.hold("a", uuid4(), LEASE, monotonic())
    assert eventually(renewals, 1)
    heartbeat.release(first)
    heartbeat.stop()
    time.sleep(0.1)
    before = renewals.count
    late = heartbeat.hold("b", uuid4(), LEASE, monotonic())
    assert eventually(renewals, before + 2)
    heartbeat.release(late)


def test_quiescing_waits_for_the_renewal_on_its_way() -> None:
    renewals = Renewals()
    renewals.go_on.clear()
    heartbeat = Heartbeat(renewals, lambda: None)
    held = heartbeat.hold("a", uuid4(), LEASE, monotonic())
    assert renewals.begun.wait(10)
    waited = threading.Thread(target=heartbeat.quiesce, args=(held,))
    waited.start()
    waited.join(0.1)
    assert waited.is_alive()
    renewals.go_on.set()
    waited.join(10)
    assert not waited.is_alive()
    count = renewals.count
    time.sleep(0.2)
    assert renewals.count == count
    heartbeat.stop()


def test_leases_that_come_and_go_while_the_thread_sleeps_do_not_wake_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    woken: list[threading.Event] = []

    class Counting(threading.Event):
        def set(self) -> None:
            woken.append(self)
            super().set()

    monkeypatch.setattr(threading, "Event", Counting)
    heartbeat = Heartbeat(Renewals(), lambda: None)
    long = timedelta(hours=1)
    end = monotonic() + 10
    while not woken or monotonic() < end:  # until the thread sleeps
        woken.clear()
        heartbeat.release(heartbeat.hold("first", uuid4(), long, monotonic()))
        if not woken:
            break
        time.sleep(0.01)
    for number in range(100):
        heartbeat.release(heartbeat.hold(f"k{number}", uuid4(), long, monotonic()))
    assert woken == []
    heartbeat.stop()

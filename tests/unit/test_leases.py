"""Which leases are renewed when; and the thread that does it."""

from __future__ import annotations

import threading
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from exec_tracker.leases import Heartbeat, LeaseBook
from tests.support.database import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exec_tracker.leases import HeldLease, Renewal

MINUTE = timedelta(seconds=60)


@pytest.fixture
def book() -> LeaseBook:
    return LeaseBook()


def hold(book: LeaseBook, seconds: float = 60, since: float = 0.0) -> HeldLease:
    token = uuid4()
    return book.add(f"k{token}", token, timedelta(seconds=seconds), since)


def test_a_lease_is_due_after_a_third_of_it(book: LeaseBook) -> None:
    hold(book, 60, since=100.0)
    hold(book, 90, since=100.0)
    assert book.next_due() == 120.0


def test_nothing_is_due_where_nothing_is_held(book: LeaseBook) -> None:
    assert book.next_due() is None
    book.remove(hold(book))
    assert book.next_due() is None


def test_what_is_due_soon_goes_along(book: LeaseBook) -> None:
    first, second, later = hold(book), hold(book, since=9.0), hold(book, since=11.0)
    due = book.take_due(20.0)
    assert first in due
    assert second in due
    assert later not in due


def test_a_renewed_lease_is_due_again_after_a_third(book: LeaseBook) -> None:
    entry = hold(book)
    book.settle([entry], {entry.token: True}, now=20.0)
    assert (entry.due, entry.lost) == (40.0, False)


def test_a_lost_lease_is_never_due_again(book: LeaseBook) -> None:
    entry = hold(book)
    book.settle([entry], {entry.token: False}, now=20.0)
    assert entry.lost
    assert book.next_due() is None
    assert book.take_due(1000.0) == []


def test_a_skipped_or_failed_renewal_is_tried_again_well_before_the_lease_ends(
    book: LeaseBook,
) -> None:
    skipped, failed = hold(book), hold(book)
    book.settle([skipped], {}, now=20.0)
    book.postpone([failed], now=20.0)
    for entry in (skipped, failed):
        assert not entry.lost
        assert 20.0 < entry.due <= 25.0


class Renewals:
    """Stands in for the database: answers as told, and remembers what it was asked."""

    def __init__(self, answer: Callable[[UUID], bool] = lambda _token: True) -> None:
        self.asked: list[Sequence[Renewal]] = []
        self.threads: set[int] = set()
        self._answer = answer

    def __call__(self, claims: Sequence[Renewal]) -> dict[UUID, bool]:
        self.asked.append(claims)
        self.threads.add(threading.get_ident())
        return {token: self._answer(token) for _, token, _ in claims}


@pytest.fixture
def renewals() -> Renewals:
    return Renewals()


@pytest.fixture
def heartbeat(renewals: Renewals) -> Iterator[Heartbeat]:
    heartbeat = make(renewals)
    yield heartbeat
    heartbeat.stop()


def make(renewals: Any, ended: threading.Event | None = None) -> Heartbeat:
    return Heartbeat(renewals, (ended or threading.Event()).set)


def test_no_thread_runs_before_the_first_lease(renewals: Renewals) -> None:
    before = set(threading.enumerate())
    heartbeat = make(renewals)
    assert set(threading.enumerate()) <= before
    heartbeat.stop()


def test_all_leases_are_renewed_by_one_thread(heartbeat: Heartbeat, renewals: Renewals) -> None:
    lease = timedelta(seconds=0.06)
    held = [heartbeat.hold(f"k{n}", uuid4(), lease, monotonic()) for n in range(5)]
    eventually(lambda: any(len(claims) == 5 for claims in renewals.asked))
    assert len(renewals.threads) == 1
    for entry in held:
        heartbeat.release(entry)


def test_a_shorter_lease_that_comes_later_is_renewed_in_time(
    heartbeat: Heartbeat, renewals: Renewals
) -> None:
    heartbeat.hold("long", uuid4(), timedelta(hours=1), monotonic())
    heartbeat.hold("short", uuid4(), timedelta(seconds=0.06), monotonic())
    eventually(lambda: renewals.asked)
    assert {key for claims in renewals.asked for key, _, _ in claims} == {"short"}


def test_renewal_goes_on_after_an_error(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def renew(claims: Sequence[Renewal]) -> dict[UUID, bool]:
        calls.append(len(claims))
        if len(calls) < 3:
            raise ConnectionError("gone")
        return {token: True for _, token, _ in claims}

    heartbeat = make(renew)
    entry = heartbeat.hold("k", uuid4(), timedelta(seconds=0.06), monotonic())
    eventually(lambda: len(calls) > 3)
    heartbeat.release(entry)
    heartbeat.stop()
    assert not entry.lost
    assert "could not renew 1 leases" in caplog.text


def test_stopping_waits_for_the_last_lease(renewals: Renewals) -> None:
    ended = threading.Event()
    heartbeat = make(renewals, ended)
    entry = heartbeat.hold("k", uuid4(), timedelta(seconds=0.06), monotonic())
    heartbeat.stop()
    before = len(renewals.asked)
    eventually(lambda: len(renewals.asked) > before + 1)
    assert not ended.is_set()
    heartbeat.release(entry)
    assert ended.wait(5)

"""A claim whose answer is lost, and then a database that stays away: said so, and taken back."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from exec_tracker import ExecutionAbandonedError, ExecutionTracker, TransientStorageError
from exec_tracker.flow import patience
from proof.wire.line import Strike
from proof.wire.proxy import Proxy
from tests.support.executors import Calls, options
from tests.support.strikes import Strikes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from exec_tracker.testing import DatabaseClock
    from proof.wire.messages import Message
    from tests.support.database import Database
    from tests.support.fixtures import NewSubject

# How long a claim is repeated; five seconds are long for a test.
PATIENCE = 0.3


class Away:
    """Loses the first answer to a statement, then every connection until it is over."""

    def __init__(self) -> None:
        self.began, self._over = threading.Event(), threading.Event()

    def __call__(self, message: Message) -> Strike | None:
        if self._over.is_set():
            return None
        if message.name == "CommandComplete":
            self.began.set()
        return Strike("reset") if self.began.is_set() else None

    def end_when_patience_is_over(self) -> None:
        assert self.began.wait(30)
        time.sleep(PATIENCE + 0.5)
        self._over.set()


@pytest.fixture
def proxy(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", PATIENCE)
    with Proxy(database_url) as proxy:
        yield proxy


@pytest.fixture
def away(proxy: Proxy) -> Iterator[Away]:
    away = Away()
    ending = threading.Thread(target=away.end_when_patience_is_over)
    ending.start()
    yield away
    ending.join()


def test_a_claim_left_in_doubt_for_long_is_said_so_and_taken_back(
    new_subject: NewSubject, user_id: UUID, proxy: Proxy, away: Away, database: Database
) -> None:
    subject, calls = new_subject(proxy.url), Calls("done")
    subject.get_execution("k")
    proxy.judge = away
    with pytest.raises(TransientStorageError) as caught:
        subject.execute(options("k", user_id), calls)
    # The last it heard was that nothing could be sent, but something had been before.
    assert caught.value.in_doubt
    row = database.row("k")
    assert (row["status"], row["error"]["retryable"], calls.count) == ("failed", True, 0)
    assert subject.execute(options("k", user_id), calls).data == "done"
    assert (calls.count, subject.pool.checkedout()) == (1, 0)


def test_a_take_over_left_in_doubt_for_long_leaves_what_it_displaced_abandoned(
    new_subject: NewSubject,
    user_id: UUID,
    proxy: Proxy,
    *,
    away: Away,
    database: Database,
    database_clock: DatabaseClock,
) -> None:
    subject, calls = new_subject(proxy.url), Calls("done")
    subject.create_execution(options("k", user_id))
    execution = subject.mark_running("k", lease=timedelta(seconds=60))
    database_clock.advance(timedelta(minutes=2))

    def judge(message: Message) -> Strike | None:
        is_taken_over = database.row("k")["attempt"] > execution.attempt
        return away(message) if is_taken_over else None

    proxy.judge = judge
    with pytest.raises(TransientStorageError) as caught:
        subject.execute(options("k", user_id), calls, on_abandoned="retry")
    assert caught.value.in_doubt
    assert subject.get_execution("k").is_abandoned
    with pytest.raises(ExecutionAbandonedError):
        subject.execute(options("k", user_id), calls)
    assert calls.count == 0


def test_a_take_over_in_doubt_is_said_so_though_the_row_is_locked_by_then(
    tracker: ExecutionTracker,
    user_id: UUID,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lock may be that of the first try, which is still committing: it is to be taken back."""
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", PATIENCE)
    strikes, calls = Strikes(monkeypatch), Calls()
    tracker.create_execution(options("k", user_id))

    def lose() -> None:
        raise TransientStorageError("the connection was lost", in_doubt=True)

    with database.locked("SELECT 1 FROM workflow_executions FOR UPDATE"):
        strikes.arm(2, "before", lose)
        with pytest.raises(TransientStorageError) as caught:
            tracker.execute(options("k", user_id), calls)
    assert (caught.value.in_doubt, calls.count) == (True, 0)
    assert strikes.sent == ["claim_execution", "take_over", "take_over", "fail_claim"]

"""What may go wrong with some keys of a batch, and with all of them: the others do not suffer."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import (
    ConfigurationError,
    ExecutionFailedError,
    ExecutionInProgressError,
    ExecutionTracker,
    IllegalTransitionError,
    Instrumentation,
    Observation,
    StorageError,
    TransientStorageError,
)
from exec_tracker.flow import items, many
from tests.support.database import Database, eventually
from tests.support.executors import Calls, options
from tests.support.strikes import Strikes

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.testing.throwaway import ThrowawayDatabases
    from tests.support.subjects import Subject


@pytest.fixture
def strikes(monkeypatch: pytest.MonkeyPatch) -> Strikes:
    return Strikes(monkeypatch)


def test_a_key_that_comes_again_adopts_the_failure_of_the_first(
    subject: Subject, user_id: UUID
) -> None:
    calls = Calls(raises=ValueError("poisoned"))
    first, *others = subject.execute_many([options("k", user_id)] * 20, calls)
    assert isinstance(first.error, ValueError)
    assert {type(one.error) for one in others} == {ExecutionFailedError}
    assert calls.count == 1


def test_a_claim_that_comes_twice_is_completed_with_its_first_result(
    tracker: ExecutionTracker, user_id: UUID, database: Database
) -> None:
    (claim,) = tracker.claim_many([options("k", user_id)])
    first, second = tracker.complete_many([(claim, 1), (claim, 2)])  # type: ignore[list-item] # held
    assert first.data == 1
    assert isinstance(second.error, IllegalTransitionError)
    assert database.row("k")["result"] == 1


@pytest.mark.parametrize("on_running", ["raise", "wait"])
def test_a_key_that_comes_twice_is_held_once_and_waits_for_nobody(
    subject: Subject, user_id: UUID, on_running: str
) -> None:
    first, second = subject.claim_many([options("k", user_id)] * 2, on_running=on_running)
    assert isinstance(second, ExecutionInProgressError)
    assert [one.data for one in subject.complete_many([(first, 1)])] == [1]


def test_what_is_no_claim_of_this_tracker_is_refused_before_anything_is_stored(
    tracker: ExecutionTracker,
    user_id: UUID,
    throwaway_databases: ThrowawayDatabases,
    migrated_template: str,
) -> None:
    """Another tracker's claim stands in another database: it would be reported as lost."""
    (mine,) = tracker.claim_many([options("k", user_id)])
    with throwaway_databases.database_url(migrated_template) as url:
        Database(url).run("INSERT INTO auth.users (id) VALUES (%s)", str(user_id))
        with ExecutionTracker(url) as other:
            (theirs,) = other.claim_many([options("k", user_id)])
            for wrong in (theirs, ExecutionInProgressError("busy"), None):
                given: Any = [(mine, 1), (wrong, 2)]
                with pytest.raises(ConfigurationError, match="claims of this tracker"):
                    tracker.complete_many(given)
            assert [one.data for one in other.complete_many([(theirs, 2)])] == [2]  # type: ignore[list-item] # held
    assert [one.data for one in tracker.complete_many([(mine, 1)])] == [1]  # type: ignore[list-item] # held


def test_keys_are_claimed_when_it_is_soon_their_turn(
    subject: Subject, user_id: UUID, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a crash would leave abandoned is what one statement claims, and not the whole batch."""
    monkeypatch.setattr(items, "KEYS_PER_STATEMENT", 3)
    claimed: list[int] = []

    def work() -> None:
        query = "SELECT count(*) FROM workflow_executions WHERE status = 'running'"
        claimed.append(database.value(query))

    subject.execute_many([options(f"k-{n}", user_id) for n in range(10)], work)
    assert len(claimed) == 10
    assert max(claimed) == 3


def test_large_results_and_parameters_go_in_statements_of_their_own(
    tracker: ExecutionTracker, user_id: UUID, strikes: Strikes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "CHARACTERS_PER_STATEMENT", 1000)
    tracker.get_execution("warm")
    strikes.disarm()
    strikes.sent.clear()
    asked = [options(f"k-{n}", user_id, parameters={"text": "p" * 300}) for n in range(6)]
    outcomes = tracker.execute_many(asked, lambda: "r" * 400)
    assert [len(one.data) for one in outcomes] == [400] * 6
    assert strikes.sent == ["claim_many", "complete_many", "complete_many"] * 2


def test_the_others_do_not_wait_for_a_row_that_somebody_has_locked(
    tracker: ExecutionTracker, user_id: UUID, database: Database
) -> None:
    """The locked one is stored when all others are."""
    lock = database.locked("SELECT 1 FROM workflow_executions WHERE id = 'b' FOR UPDATE")
    statuses: dict[str, str] = {}

    def work(context: Any) -> str:
        if context.idempotency_key == "c":
            lock.__enter__()
            threading.Thread(target=let_go).start()
        return str(context.idempotency_key)

    def let_go() -> None:
        others = "SELECT count(*) FROM workflow_executions WHERE status = 'completed'"
        eventually(lambda: database.value(others) == 2)
        statuses["b"] = database.row("b")["status"]
        lock.__exit__(None, None, None)

    outcomes = tracker.execute_many([options(key, user_id) for key in "abc"], work)
    assert [one.data for one in outcomes] == ["a", "b", "c"]
    assert statuses == {"b": "running"}


def test_results_are_tried_to_be_stored_together_when_the_database_is_away(
    tracker: ExecutionTracker, user_id: UUID, strikes: Strikes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one each would be tried for as long, and the last would wait for hours."""
    monkeypatch.setattr(many, "_STORE_WITHIN_SECONDS", 600)
    tries: list[str] = []

    def work(context: Any) -> str:
        strikes.arm(1, "before", away)
        return str(context.idempotency_key)

    def away() -> None:
        tries.extend(strikes.sent)
        strikes.arm(1, "before", away)
        raise TransientStorageError("away", in_doubt=True)

    asked = [options(key, user_id) for key in "abc"]
    outcomes = tracker.execute_many(asked, work, save_timeout=timedelta(seconds=0.1))
    assert [type(one.error) for one in outcomes] == [StorageError] * 3
    assert [one.error.result for one in outcomes] == ["a", "b", "c"]  # type: ignore[union-attr] # above
    assert set(tries) == {"complete_many", "complete_many_unlocked"}


def test_an_interrupt_tells_those_who_watch_that_every_request_is_over(
    tracker: ExecutionTracker, user_id: UUID
) -> None:
    ended: list[BaseException | None] = []

    class Watching(Instrumentation):
        def begin(self, call: Any) -> Observation:
            del call
            return Watched()

    class Watched(Observation):
        def end(self, error: BaseException | None) -> None:
            ended.append(error)

    def work(context: Any) -> None:
        if context.idempotency_key == "b":
            raise KeyboardInterrupt

    tracker.instrument(Watching())
    with pytest.raises(KeyboardInterrupt):
        tracker.execute_many([options(key, user_id) for key in "abcd"], work)
    assert [type(error) for error in ended] == [KeyboardInterrupt, type(None)] + 2 * [
        KeyboardInterrupt
    ]


def test_all_keys_of_a_batch_together_wait_no_longer_than_one(
    subject: Subject, user_id: UUID
) -> None:
    asked = [options(f"k-{n}", user_id) for n in range(30)]
    for one in asked:
        subject.mark_running(subject.create_execution(one).id)
    began = time.monotonic()
    wait = timedelta(seconds=1)
    outcomes = subject.execute_many(asked, Calls(), on_running="wait", wait_timeout=wait)
    assert {type(one.error) for one in outcomes} == {ExecutionInProgressError}
    assert time.monotonic() - began < 15


def test_what_was_read_long_ago_is_read_again_before_it_is_decided_upon(
    subject: Subject, user_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "_FRESH_SECONDS", 0.0)
    subject.mark_running(subject.create_execution(options("busy", user_id)).id)

    def work() -> str:
        subject.mark_completed("busy", "theirs")
        return "mine"

    first, busy = subject.execute_many([options("k", user_id), options("busy", user_id)], work)
    assert (first.data, busy.data) == ("mine", "theirs")

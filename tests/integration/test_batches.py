"""Many keys with a few statements: each keeps its own outcome, fence and history."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from exec_tracker import (
    ConfigurationError,
    ExecutionAbandonedError,
    ExecutionFailedError,
    ExecutionInProgressError,
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    LeaseLostError,
    ResultNotStorableError,
    UnknownUserError,
)
from exec_tracker.flow import items, many
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.fixtures import NewSubject
    from tests.support.subjects import Subject


class Effects:
    """Notes the keys it is called for, and returns or raises what they ask for."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, context: Any) -> Any:
        with self._lock:
            self.keys.append(context.idempotency_key)
        if "raise" in (context.parameters or {}):
            raise ValueError(context.parameters["raise"])
        return (context.parameters or {}).get("value", context.idempotency_key)


@pytest.fixture
def effects() -> Effects:
    return Effects()


def test_each_key_is_run_once_and_keeps_its_own_result(
    subject: Subject, user_id: UUID, effects: Effects, database: Database
) -> None:
    asked = [options(f"k-{n}", user_id, parameters={"value": n}) for n in range(450)]
    first = subject.execute_many(asked, effects)
    again = subject.execute_many(asked, effects)
    assert [one.data for one in first] == [one.data for one in again] == list(range(450))
    assert {one.result.cached for one in first} == {False}
    assert {one.result.cached for one in again} == {True}
    assert effects.keys == [f"k-{n}" for n in range(450)]
    assert database.value("SELECT count(*) FROM workflow_executions WHERE attempt = 1") == 450
    assert subject.execute_idempotent(asked[7], Calls()) == 7


def test_what_one_key_raises_is_its_own(
    subject: Subject, user_id: UUID, effects: Effects, database: Database
) -> None:
    asked = [
        options("good", user_id),
        options("raises", user_id, parameters={"raise": "no stock"}),
        options("odd", user_id, parameters={"value": 1}),
        options("nobody", uuid4()),
        options("fine", user_id),
    ]
    good, raises, odd, nobody, fine = subject.execute_many(asked, effects)
    assert (good.data, odd.data, fine.data) == ("good", 1, "fine")
    assert isinstance(raises.error, ValueError)
    assert isinstance(nobody.error, UnknownUserError)
    with pytest.raises(ValueError, match="no stock"):
        _ = raises.data
    assert [one["error"]["message"] for one in database.attempts("raises")] == ["no stock"]
    assert database.row("raises")["status"] == "failed"
    assert sorted(effects.keys) == ["fine", "good", "odd", "raises"]


def test_a_result_that_cannot_be_stored_harms_no_other(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    def work(context: Any) -> Any:
        return object() if context.idempotency_key == "bad" else "done"

    bad, good = subject.execute_many([options("bad", user_id), options("good", user_id)], work)
    assert isinstance(bad.error, ResultNotStorableError)
    assert good.data == "done"
    assert database.row("bad")["error"]["retryable"] is False


def test_a_key_that_the_server_refuses_to_store_harms_no_other(
    subject: Subject, user_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused only by the server: then each result is stored by a statement of its own."""
    monkeypatch.setattr("exec_tracker.codec.storable.refuse_nul", lambda _text: None)

    def work(context: Any) -> Any:
        return "\0" if context.idempotency_key == "bad" else "done"

    bad, good = subject.execute_many([options("bad", user_id), options("good", user_id)], work)
    assert isinstance(bad.error, ResultNotStorableError)
    assert good.data == "done"


def test_a_key_that_comes_twice_is_run_once(
    subject: Subject, user_id: UUID, effects: Effects
) -> None:
    twice = [options("k", user_id), options("k", user_id), options("other", user_id)]
    reused = options("k", user_id, parameters={"value": 2})
    first, second, other, conflict = subject.execute_many([*twice, reused], effects)
    assert (first.data, second.data, other.data) == ("k", "k", "other")
    assert (first.result.cached, second.result.cached) == (False, True)
    assert isinstance(conflict.error, IdempotencyKeyReusedError)
    assert effects.keys == ["k", "other"]


def test_what_stands_is_treated_as_a_single_call_would(
    subject: Subject, user_id: UUID, effects: Effects
) -> None:
    lost = timedelta(milliseconds=1)
    subject.create_execution(options("pending", user_id))
    subject.mark_running(subject.create_execution(options("running", user_id)).id)
    subject.mark_running(subject.create_execution(options("abandoned", user_id)).id, lease=lost)
    subject.create_execution(options("failed", user_id))
    subject.mark_failed("failed", "no")
    asked = [options(key, user_id) for key in ("pending", "running", "abandoned", "failed", "new")]

    pending, running, abandoned, failed, new = subject.execute_many(
        asked, effects, on_failed="raise"
    )
    assert (pending.data, new.data) == ("pending", "new")
    assert isinstance(running.error, ExecutionInProgressError)
    assert isinstance(abandoned.error, ExecutionAbandonedError)
    assert isinstance(failed.error, ExecutionFailedError)
    outcomes = subject.execute_many(asked[2:4], effects, on_abandoned="retry")
    assert [one.data for one in outcomes] == ["abandoned", "failed"]
    assert [one.result.execution.attempt for one in outcomes] == [2, 1]
    assert sorted(effects.keys) == ["abandoned", "failed", "new", "pending"]


def test_batches_on_the_same_keys_run_each_once_and_never_deadlock(
    new_subject: NewSubject, database_url: str, user_id: UUID, database: Database
) -> None:
    subjects = [new_subject(database_url) for _ in range(3)]
    keys = [f"k-{n}" for n in range(300)]
    effects = Effects()
    answers: list[Any] = []

    def work(subject: Subject, order: list[str]) -> None:
        asked = [options(key, user_id) for key in order]
        answers.extend(subject.execute_many(asked, effects, on_running="wait"))

    orders = [keys, keys[::-1], keys[150:] + keys[:150]]
    threads = [
        threading.Thread(target=work, args=pair) for pair in zip(subjects, orders, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert [one.error for one in answers if one.error] == []
    assert {one.execution_id: one.data for one in answers} == {key: key for key in keys}
    assert sorted(effects.keys) == sorted(keys)
    assert database.value("SELECT max(attempt) FROM workflow_executions") == 1


def test_results_are_stored_while_the_batch_goes_on(
    subject: Subject, user_id: UUID, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a crash would leave abandoned is bounded by time, not by the size of the batch."""
    monkeypatch.setattr(many, "_STORE_WITHIN_SECONDS", 0.0)
    seen: list[str] = []

    def work(context: Any) -> None:
        if context.idempotency_key == "second":
            seen.append(database.row("first")["status"])

    subject.execute_many([options("first", user_id), options("second", user_id)], work)
    assert seen == ["completed"]


def test_an_interrupt_stores_what_has_run_and_gives_back_what_has_not(
    tracker: Any, user_id: UUID, database: Database
) -> None:
    def work(context: Any) -> str:
        if context.idempotency_key == "second":
            raise KeyboardInterrupt
        return "done"

    asked = [options(key, user_id) for key in ("first", "second", "third")]
    with pytest.raises(KeyboardInterrupt):
        tracker.execute_many(asked, work)
    assert database.row("first")["status"] == "completed"
    assert database.row("second")["error"]["outcome_unknown"] is True
    assert database.row("third")["error"]["outcome_unknown"] is False
    assert tracker.execute_idempotent(asked[2], lambda: "later") == "later"


def test_claims_are_made_together_and_completed_together(
    tracker: Any, user_id: UUID, database: Database
) -> None:
    tracker.mark_running(tracker.create_execution(options("busy", user_id)).id)
    tracker.execute_idempotent(options("old", user_id), lambda: "stored")
    asked = [options(key, user_id) for key in ("a", "busy", "old", "b")]
    a, busy, old, b = tracker.claim_many(asked)
    assert isinstance(busy, ExecutionInProgressError)
    assert (old.cached, old.result) == (True, "stored")
    assert {database.row(key)["status"] for key in "ab"} == {"running"}

    done = tracker.complete_many([(a, {"paid": 1}), (b, None), (old, "again")])
    assert [one.execution_id for one in done] == ["a", "b", "old"]
    assert [one.data for one in done[:2]] == [{"paid": 1}, None]
    assert isinstance(done[2].error, IllegalTransitionError)
    assert (a.result, a.execution.status) == ({"paid": 1}, "completed")
    with pytest.raises(IllegalTransitionError):
        a.complete("again")


def test_a_claim_that_was_lost_is_told_alone(
    tracker: Any, user_id: UUID, database: Database
) -> None:
    kept, lost = tracker.claim_many([options("kept", user_id), options("lost", user_id)])
    database.run("UPDATE workflow_executions SET lease_expires_at = now() WHERE id = 'lost'")
    tracker.resolve("lost", result="by hand")
    first, second = tracker.complete_many([(kept, 1), (lost, 2)])
    assert first.data == 1
    assert isinstance(second.error, LeaseLostError)
    assert second.error.result == 2
    assert database.row("lost")["result"] == "by hand"


def test_what_is_no_request_is_refused_before_anything_is_claimed(
    tracker: Any, user_id: UUID, database: Database
) -> None:
    with pytest.raises(ConfigurationError, match="ExecuteOptions"):
        tracker.execute_many([options("k", user_id), "k-2"], lambda: None)
    with pytest.raises(ConfigurationError, match="async"):
        tracker.execute_many([options("k", user_id)], _asynchronous)
    assert database.value("SELECT count(*) FROM workflow_executions") == 0
    assert tracker.execute_many([], lambda: None) == []


async def _asynchronous() -> None: ...


def test_a_batch_of_free_keys_takes_two_statements(
    tracker: Any, user_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exec_tracker.repository import ExecutionRepository

    sent: list[str] = []
    fetch = ExecutionRepository.fetch

    def counting(self: Any, statement: Any, **parameters: Any) -> Any:
        sent.append(statement.name)
        return fetch(self, statement, **parameters)

    tracker.get_execution("warm")
    monkeypatch.setattr(ExecutionRepository, "fetch", counting)
    asked = [options(f"k-{n}", user_id) for n in range(items.KEYS_PER_STATEMENT)]
    tracker.execute_many(asked, lambda: None)
    assert sent == ["claim_many", "complete_many"]
    sent.clear()
    tracker.execute_many(asked, lambda: None)
    assert sent == ["claim_many", "read_many"]

"""Executions that begin and end elsewhere: create, mark_running, mark_completed, mark_failed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from exec_tracker import (
    ConfigurationError,
    ExecutionInProgressError,
    ExecutionNotFoundError,
    ExecutionStatus,
    IllegalTransitionError,
    InvalidIdempotencyKeyError,
    ResultNotStorableError,
)
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.testing import DatabaseClock
    from tests.support.database import Database
    from tests.support.fixtures import Running
    from tests.support.subjects import Subject

MINUTE = timedelta(minutes=1)


@pytest.fixture
def pending(subject: Subject, user_id: UUID) -> Any:
    return subject.create_execution(options("k", user_id, parameters={"a": 1}))


def test_a_created_execution_is_pending_and_unclaimed(pending: Any, database: Database) -> None:
    assert (pending.status, pending.attempt) == (ExecutionStatus.PENDING, 0)
    row = database.row("k")
    assert (row["claim_token"], row["started_at"], row["parameters"]) == (None, None, {"a": 1})


def test_a_pending_execution_is_run_by_the_next_call(
    subject: Subject, pending: Any, user_id: UUID
) -> None:
    done = subject.execute(options("k", user_id, parameters={"a": 1}), Calls("now"))
    assert (done.data, done.execution.attempt) == ("now", 1)


def test_a_claim_by_hand_has_a_token_and_no_lease(subject: Subject, pending: Any) -> None:
    claimed = subject.mark_running("k")
    assert (claimed.status, claimed.attempt) == (ExecutionStatus.RUNNING, 1)
    assert claimed.claim_token is not None
    assert claimed.lease_expires_at is None


def test_a_claim_by_hand_is_never_taken_over(
    subject: Subject, pending: Any, user_id: UUID, database_clock: DatabaseClock
) -> None:
    subject.mark_running("k")
    database_clock.advance(timedelta(days=365))
    with pytest.raises(ExecutionInProgressError):
        subject.execute(options("k", user_id, parameters={"a": 1}), Calls(), on_abandoned="retry")


def test_a_claim_by_hand_with_a_lease_is_abandoned_when_it_has_run_out(
    subject: Subject, pending: Any, database_clock: DatabaseClock
) -> None:
    subject.mark_running("k", lease=MINUTE)
    assert not subject.get_execution("k").is_abandoned
    database_clock.advance(MINUTE)
    assert subject.get_execution("k").is_abandoned


@pytest.mark.parametrize("verb", ["mark_completed", "mark_failed"])
def test_a_webhook_finishes_with_the_token_under_a_live_lease(
    subject: Subject, pending: Any, verb: str
) -> None:
    claimed = subject.mark_running("k", lease=MINUTE)
    ended = getattr(subject, verb)("k", "answer", claim_token=str(claimed.claim_token))
    assert ended.is_ended
    assert ended.lease_expires_at is None


@pytest.mark.parametrize("verb", ["mark_completed", "mark_failed"])
def test_without_the_token_a_live_lease_cannot_be_ended(
    subject: Subject, user_id: UUID, running: Running, verb: str
) -> None:
    executor, first = running(subject, options("k", user_id))
    with pytest.raises(IllegalTransitionError, match="claim_token"):
        getattr(subject, verb)("k", "answer")
    executor.release()
    assert first.result() == "done"


@pytest.mark.parametrize("verb", ["mark_completed", "mark_failed"])
def test_without_the_token_an_unleased_or_abandoned_claim_can_be_ended(
    subject: Subject, pending: Any, database_clock: DatabaseClock, verb: str, user_id: UUID
) -> None:
    subject.mark_running("k")
    assert getattr(subject, verb)("k", "answer").is_ended
    subject.create_execution(options("l", user_id))
    subject.mark_running("l", lease=MINUTE)
    database_clock.advance(MINUTE)
    assert getattr(subject, verb)("l", "answer").is_ended


@pytest.mark.parametrize("verb", ["mark_completed", "mark_failed"])
def test_another_claims_token_ends_nothing(subject: Subject, pending: Any, verb: str) -> None:
    subject.mark_running("k")
    with pytest.raises(IllegalTransitionError, match="another claim token"):
        getattr(subject, verb)("k", "answer", claim_token=uuid4())
    assert subject.get_execution("k").status is ExecutionStatus.RUNNING


def test_the_token_of_an_earlier_claim_ends_nothing(subject: Subject, pending: Any) -> None:
    first = subject.mark_running("k")
    subject.mark_failed("k", "lost", claim_token=first.claim_token)
    subject.mark_running("k")
    with pytest.raises(IllegalTransitionError):
        subject.mark_completed("k", 1, claim_token=first.claim_token)


@pytest.mark.parametrize("verb", ["mark_completed", "mark_failed"])
def test_a_pending_execution_may_end_either_way(subject: Subject, pending: Any, verb: str) -> None:
    assert getattr(subject, verb)("k", "answer").is_ended


def test_the_same_result_again_changes_nothing(
    subject: Subject, pending: Any, database: Database
) -> None:
    first = subject.mark_completed("k", {"a": 1, "b": [2.0]})
    before = database.row("k")
    again = subject.mark_completed("k", {"b": [2], "a": 1.0})
    assert again.completed_at == first.completed_at
    assert database.row("k") == before


@pytest.mark.parametrize(("first", "second"), [(1, 2), (1, True), (None, 0), ("1", 1)])
def test_another_result_for_a_completed_execution_is_refused(
    subject: Subject, pending: Any, database: Database, first: Any, second: Any
) -> None:
    subject.mark_completed("k", first)
    with pytest.raises(IllegalTransitionError, match="another result"):
        subject.mark_completed("k", second)
    assert database.row("k")["result"] == first


@pytest.mark.parametrize("verb", ["mark_running", "mark_failed", "reset"])
def test_a_completed_execution_stays_completed(subject: Subject, pending: Any, verb: str) -> None:
    subject.mark_completed("k", 1)
    arguments = ("late",) if verb == "mark_failed" else ()
    with pytest.raises(IllegalTransitionError) as caught:
        getattr(subject, verb)("k", *arguments)
    assert caught.value.execution is not None
    assert caught.value.execution.result == 1
    assert subject.get_execution("k").status is ExecutionStatus.COMPLETED


def test_a_running_execution_cannot_be_claimed_by_hand(subject: Subject, pending: Any) -> None:
    subject.mark_running("k")
    with pytest.raises(IllegalTransitionError):
        subject.mark_running("k")


def test_a_failure_by_hand_is_in_the_history_and_can_be_retried(
    subject: Subject, pending: Any, user_id: UUID, database: Database
) -> None:
    claimed = subject.mark_running("k")
    subject.mark_failed("k", "bank said no", claim_token=claimed.claim_token)
    (attempt,) = subject.get_attempts("k")
    assert (attempt.attempt, attempt.outcome, attempt.error["message"]) == (
        1,
        "failed",
        "bank said no",
    )
    done = subject.execute(options("k", user_id, parameters={"a": 1}), Calls("now"))
    assert (done.data, done.execution.attempt) == ("now", 2)


@pytest.mark.parametrize("value", [float("nan"), "\0", "\ud800", object()])
def test_a_result_that_cannot_be_stored_changes_nothing(
    subject: Subject, pending: Any, value: Any
) -> None:
    with pytest.raises(ResultNotStorableError):
        subject.mark_completed("k", value)
    assert subject.get_execution("k").status is ExecutionStatus.PENDING


@pytest.mark.parametrize("verb", ["mark_running", "mark_completed", "reset", "erase", "delete"])
def test_an_execution_that_is_not_there_is_not_found(
    subject: Subject, user_id: UUID, verb: str
) -> None:
    with pytest.raises(ExecutionNotFoundError, match="'nothing'") as caught:
        getattr(subject, verb)("nothing")
    assert isinstance(caught.value, LookupError)
    assert subject.get_execution("nothing") is None


@pytest.mark.parametrize("key", ["", "  ", "a\0b", "x" * 1000, None, 7, "\ud800"])
def test_an_id_that_cannot_be_one_is_refused_before_the_database(
    subject: Subject, key: Any
) -> None:
    with pytest.raises(InvalidIdempotencyKeyError):
        subject.get_execution(key)
    with pytest.raises(ValueError, match=r"An (execution id|idempotency key)"):
        subject.mark_completed(key, 1)


def test_a_token_that_is_none_is_refused(subject: Subject, pending: Any) -> None:
    with pytest.raises(ConfigurationError, match="claim_token"):
        subject.mark_completed("k", 1, claim_token="not a uuid")

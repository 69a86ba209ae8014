"""Whether and when a failure may be run again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import ExecutionFailedError, RetryPolicy
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.testing import DatabaseClock
    from tests.support.database import Database
    from tests.support.subjects import Subject

MINUTE = timedelta(minutes=1)


def fail(subject: Subject, asked: Any, error: Exception | None = None, **settings: Any) -> None:
    error = error or ConnectionError("no route")
    with pytest.raises(type(error)):
        subject.execute(asked, Calls(raises=error), **settings)


def refused(subject: Subject, asked: Any, **settings: Any) -> ExecutionFailedError:
    calls = Calls()
    with pytest.raises(ExecutionFailedError) as caught:
        subject.execute(asked, calls, **settings)
    assert calls.count == 0
    return caught.value


def test_on_failed_raise_replays_the_failure_with_its_traceback(
    subject: Subject, user_id: UUID
) -> None:
    fail(subject, options("k", user_id), KeyError("account"))
    error = refused(subject, options("k", user_id), on_failed="raise")
    assert error.error is not None
    assert error.error["type"] == "KeyError"
    assert error.error["message"] == "'account'"
    assert "Traceback" in error.error["traceback"]
    assert "account" in str(error)
    assert error.execution is not None
    assert error.retry_after is None


def test_an_error_that_retry_gives_up_on_is_final(subject: Subject, user_id: UUID) -> None:
    policy = RetryPolicy(give_up_on=(LookupError,))
    fail(subject, options("k", user_id), KeyError("account"), retry=policy)
    refused(subject, options("k", user_id))
    fail(subject, options("l", user_id), ConnectionError("again"), retry=policy)
    assert subject.execute_idempotent(options("l", user_id), Calls("now"), retry=policy) == "now"


def test_only_listed_errors_are_retried_where_they_are_listed(
    subject: Subject, user_id: UUID
) -> None:
    policy = RetryPolicy(retry_on=(ConnectionError,))
    fail(subject, options("k", user_id), ValueError("bad"), retry=policy)
    refused(subject, options("k", user_id), retry=policy)
    fail(subject, options("l", user_id), ConnectionResetError(), retry=policy)
    assert subject.execute_idempotent(options("l", user_id), Calls("now"), retry=policy) == "now"


def test_attempts_count_over_calls(subject: Subject, user_id: UUID) -> None:
    policy = RetryPolicy(max_attempts=2)
    for _ in range(2):
        fail(subject, options("k", user_id), retry=policy)
    refused(subject, options("k", user_id), retry=policy)
    assert [one.attempt for one in subject.get_attempts("k")] == [1, 2]


def test_attempts_are_not_reset_by_a_reset(subject: Subject, user_id: UUID) -> None:
    fail(subject, options("k", user_id))
    subject.reset("k")
    fail(subject, options("k", user_id))
    assert subject.get_execution("k").attempt == 2
    refused(subject, options("k", user_id), retry=RetryPolicy(max_attempts=2))


def test_before_its_time_a_retry_is_refused_with_the_time_that_is_left(
    subject: Subject, user_id: UUID, database_clock: DatabaseClock
) -> None:
    policy = RetryPolicy(backoff=MINUTE)
    fail(subject, options("k", user_id), retry=policy)
    error = refused(subject, options("k", user_id), retry=policy)
    assert error.retry_after is not None
    assert timedelta(seconds=50) < error.retry_after <= MINUTE
    database_clock.advance(MINUTE)
    fail(subject, options("k", user_id), retry=policy)
    database_clock.advance(MINUTE)
    longer = refused(subject, options("k", user_id), retry=policy)
    assert longer.retry_after is not None
    assert timedelta(seconds=50) < longer.retry_after <= MINUTE
    database_clock.advance(MINUTE)
    assert subject.execute_idempotent(options("k", user_id), Calls("now"), retry=policy) == "now"


def test_a_failure_by_hand_can_name_its_delay_and_be_final(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    subject.create_execution(options("k", user_id))
    subject.mark_failed("k", "busy", retry_delay=MINUTE)
    assert refused(subject, options("k", user_id)).retry_after is not None
    subject.create_execution(options("l", user_id))
    subject.mark_failed("l", "closed", retryable=False)
    assert refused(subject, options("l", user_id)).retry_after is None


def test_a_retry_that_succeeds_leaves_no_trace_of_the_failure_on_the_row(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    fail(subject, options("k", user_id))
    subject.execute(options("k", user_id), Calls())
    row = database.row("k")
    assert (row["error"], row["error_message"], row["retry_at"]) == (None, None, None)

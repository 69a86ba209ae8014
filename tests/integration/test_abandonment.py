"""Outcomes that nobody knows: reported, verified, taken over when asked, and fenced."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import (
    ConfigurationError,
    DidNotHappen,
    ExecutionAbandonedError,
    ExecutionFailedError,
    ExecutionInProgressError,
    Happened,
    LeaseLostError,
    OutcomeUnknownError,
    RetryPolicy,
    Unknown,
)
from tests.support.executors import Calls, Held, options

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.testing import DatabaseClock
    from tests.support.database import Database
    from tests.support.fixtures import Running
    from tests.support.subjects import Subject

HOUR = timedelta(hours=1)


@pytest.fixture
def abandoned(
    subject: Subject, user_id: UUID, running: Running, database_clock: DatabaseClock
) -> tuple[Held, Any]:
    """An execution whose owner stalls: its lease has run out, and its function still runs."""
    stalled = running(subject, options("k", user_id), lease=HOUR)
    database_clock.advance(HOUR)
    return stalled


def test_an_abandoned_execution_is_reported_and_not_run_again(
    subject: Subject, user_id: UUID, abandoned: Any
) -> None:
    calls = Calls()
    for settings in ({}, {"on_running": "wait"}, {"on_failed": "retry"}):
        with pytest.raises(ExecutionAbandonedError, match="resolve") as caught:
            subject.execute(options("k", user_id), calls, **settings)
        assert caught.value.execution is not None
        assert caught.value.execution.is_abandoned
    assert calls.count == 0
    assert [one.id for one in subject.find_abandoned(user_id=user_id, workflow_id="w")] == ["k"]


def test_a_stalled_owner_that_nobody_replaced_still_stores_its_result(
    subject: Subject, user_id: UUID, abandoned: tuple[Held, Any]
) -> None:
    executor, first = abandoned
    executor.release()
    assert first.result() == "done"
    assert subject.execute_idempotent(options("k", user_id), Calls()) == "done"


def test_an_abandoned_execution_is_taken_over_when_asked_and_the_late_original_is_fenced(
    subject: Subject, user_id: UUID, abandoned: tuple[Held, Any], database: Database
) -> None:
    executor, first = abandoned
    taken = subject.execute(options("k", user_id), Calls("second"), on_abandoned="retry")
    assert (taken.data, taken.execution.attempt) == ("second", 2)
    executor.release()
    error = first.exception()
    assert isinstance(error, LeaseLostError)
    assert error.result == "done"
    assert database.row("k")["result"] == "second"
    (attempt,) = subject.get_attempts("k")
    assert (attempt.attempt, attempt.outcome) == (1, "abandoned")


@pytest.mark.parametrize("error", [None, ValueError("late")])
def test_the_late_original_cannot_end_the_claim_of_a_successor_that_still_runs(
    subject: Subject,
    user_id: UUID,
    running: Running,
    database_clock: DatabaseClock,
    error: Exception | None,
) -> None:
    late = Held("first", raises=error)
    _, first = running(subject, options("k", user_id), late, lease=HOUR)
    database_clock.advance(HOUR)
    successor, second = running(
        subject, options("k", user_id), Held("second"), on_abandoned="retry"
    )
    late.release()
    assert isinstance(first.exception(), ValueError if error else LeaseLostError)
    seen = subject.get_execution("k")
    assert (seen.status, seen.attempt, seen.is_abandoned) == ("running", 2, False)
    successor.release()
    assert second.result() == subject.get_execution("k").result == "second"


def test_a_late_failure_is_fenced_too_and_reaches_its_caller_unchanged(
    subject: Subject, user_id: UUID, running: Running, database_clock: DatabaseClock
) -> None:
    late = Held(raises=ValueError("late"))
    _, first = running(subject, options("k", user_id), late, lease=HOUR)
    database_clock.advance(HOUR)
    subject.execute(options("k", user_id), Calls("second"), on_abandoned="retry")
    late.release()
    error = first.exception()
    assert isinstance(error, ValueError)
    assert "claim was lost" in str(error.__notes__)
    assert subject.get_execution("k").result == "second"


def test_without_a_lease_an_execution_is_never_taken_over(
    subject: Subject, user_id: UUID, running: Running, database_clock: DatabaseClock
) -> None:
    executor, first = running(subject, options("k", user_id), lease=None)
    database_clock.advance(timedelta(days=1000))
    with pytest.raises(ExecutionInProgressError):
        subject.execute(options("k", user_id), Calls(), on_abandoned="retry")
    executor.release()
    assert first.result() == "done"


def test_verifying_that_it_happened_stores_that_result(
    subject: Subject, user_id: UUID, abandoned: Any
) -> None:
    calls, verify = Calls(), Calls(Happened("found"))
    verified = subject.execute(options("k", user_id), calls, verify=verify)
    assert (verified.data, verified.cached, calls.count) == ("found", True, 0)
    assert subject.execute_idempotent(options("k", user_id), calls) == "found"
    assert verify.count == 1


def test_verifying_that_it_did_not_happen_runs_the_function_as_the_next_attempt(
    subject: Subject, user_id: UUID, abandoned: Any
) -> None:
    calls = Calls("now")
    done = subject.execute(options("k", user_id), calls, verify=Calls(DidNotHappen()))
    assert (done.data, done.cached, done.execution.attempt) == ("now", False, 2)
    assert calls.count == 1


def test_verifying_without_an_answer_leaves_it_abandoned_and_counts_no_attempt(
    subject: Subject, user_id: UUID, abandoned: Any
) -> None:
    calls = Calls()
    for _ in range(2):
        with pytest.raises(ExecutionAbandonedError):
            subject.execute(options("k", user_id), calls, verify=Calls(Unknown()))
    assert calls.count == 0
    seen = subject.get_execution("k")
    assert (seen.is_abandoned, seen.attempt) == (True, 1)
    found = subject.execute_idempotent(
        options("k", user_id),
        calls,
        verify=Calls(Happened(None)),
        retry=RetryPolicy(max_attempts=1),
    )
    assert found is None


def test_a_verifier_that_raises_leaves_it_abandoned(
    subject: Subject, user_id: UUID, abandoned: Any
) -> None:
    calls = Calls()
    with pytest.raises(ConnectionError, match="bank"):
        subject.execute(
            options("k", user_id), calls, verify=Calls(raises=ConnectionError("bank is closed"))
        )
    assert subject.get_execution("k").is_abandoned
    assert calls.count == 0


@pytest.mark.parametrize("answer", [None, True, "happened", Happened])
def test_a_verifiers_answer_must_be_one_of_three(
    subject: Subject, user_id: UUID, abandoned: Any, answer: Any
) -> None:
    calls = Calls()
    with pytest.raises(ConfigurationError, match="Happened"):
        subject.execute(options("k", user_id), calls, verify=Calls(answer))
    assert subject.get_execution("k").is_abandoned
    assert calls.count == 0


def test_two_verifiers_never_race(
    subject: Subject, user_id: UUID, abandoned: Any, running: Running, background: Any
) -> None:
    verifier = Held(Happened("found"))
    first = background(subject.execute, options("k", user_id), Calls(), verify=verifier)
    verifier.wait_until_begun()
    second = Calls(Happened("other"))
    with pytest.raises(ExecutionInProgressError):
        subject.execute(options("k", user_id), Calls(), verify=second)
    verifier.release()
    assert (first.result().data, second.count) == ("found", 0)


def test_a_verifier_is_not_asked_about_what_is_known(subject: Subject, user_id: UUID) -> None:
    verify = Calls(Unknown())
    subject.execute(options("k", user_id), Calls(), verify=verify)
    subject.execute(options("k", user_id), Calls(), verify=verify)
    with pytest.raises(ValueError, match="no"):
        subject.execute(options("l", user_id), Calls(raises=ValueError("no")), verify=verify)
    assert subject.execute_idempotent(options("l", user_id), Calls("now"), verify=verify) == "now"
    assert verify.count == 0


@pytest.mark.parametrize(
    ("error", "settings"),
    [
        (OutcomeUnknownError("no answer"), {}),
        (TimeoutError("no answer"), {"unknown_on": (TimeoutError,)}),
        (ConnectionResetError("no answer"), {"unknown_on": (TimeoutError, OSError)}),
    ],
)
def test_errors_that_leave_the_outcome_unknown_abandon_the_execution(
    subject: Subject, user_id: UUID, error: Exception, settings: dict[str, Any]
) -> None:
    with pytest.raises(type(error)):
        subject.execute(options("k", user_id), Calls(raises=error), **settings)
    calls = Calls("now")
    with pytest.raises(ExecutionAbandonedError):
        subject.execute(options("k", user_id), calls)
    (attempt,) = subject.get_attempts("k")
    assert attempt.outcome == "abandoned"
    assert calls.count == 0
    assert subject.execute_idempotent(options("k", user_id), calls, on_abandoned="retry") == "now"


def test_the_same_error_unlisted_is_a_failure_that_may_be_retried(
    subject: Subject, user_id: UUID
) -> None:
    with pytest.raises(TimeoutError):
        subject.execute(options("k", user_id), Calls(raises=TimeoutError()))
    assert not subject.get_execution("k").is_abandoned
    with pytest.raises(ExecutionFailedError):
        subject.execute(options("k", user_id), Calls(), on_failed="raise")

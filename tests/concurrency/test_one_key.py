"""Many callers on one key: the function runs once, and everybody gets a clean answer."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import (
    ExecutionExistsError,
    ExecutionFailedError,
    ExecutionInProgressError,
    Happened,
)
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from exec_tracker.testing import DatabaseClock
    from tests.support.database import Database
    from tests.support.fixtures import Background, NewSubject
    from tests.support.subjects import Subject

THREADS = 32
LONG = timedelta(seconds=30)


def at_once(
    background: Background, call: Callable[..., Any], *args: Any, **kwargs: Any
) -> Counter[Any]:
    """Call from all threads at the same moment and count what came of it."""
    barrier = threading.Barrier(THREADS)

    def one() -> Any:
        barrier.wait()
        return call(*args, **kwargs)

    futures = [background(one) for _ in range(THREADS)]
    outcomes = [future.exception() for future in futures]
    return Counter(
        type(error).__name__ if error else repr(future.result())
        for future, error in zip(futures, outcomes, strict=True)
    )


@pytest.fixture
def subject(new_subject: NewSubject) -> Subject:
    return new_subject(engine={"pool_size": 8, "max_overflow": 0})


def test_threads_that_do_not_wait_get_the_result_or_a_clean_refusal(
    subject: Subject, user_id: UUID, background: Background
) -> None:
    calls = Calls("result")
    answers = at_once(background, subject.execute_idempotent, options("k", user_id), calls)
    assert calls.count == 1
    assert answers["'result'"] >= 1
    assert set(answers) <= {"'result'", ExecutionInProgressError.__name__}


def test_threads_that_wait_all_get_the_result(
    subject: Subject, user_id: UUID, background: Background, database: Database
) -> None:
    calls = Calls("result")
    answers = at_once(
        background,
        subject.execute_idempotent,
        options("k", user_id),
        calls,
        on_running="wait",
        wait_timeout=LONG,
    )
    assert (answers, calls.count) == ({"'result'": THREADS}, 1)
    assert database.row("k")["attempt"] == 1


def test_a_failing_function_is_not_run_again_by_those_who_waited_for_it(
    subject: Subject, user_id: UUID, background: Background
) -> None:
    calls = Slow(raises=ValueError("declined"))
    answers = at_once(background, subject.execute, options("k", user_id), calls, on_running="wait")
    assert answers[ExecutionFailedError.__name__] + answers["ValueError"] == THREADS
    # One run, and at most those callers' who came when it had failed already.
    assert answers["ValueError"] == calls.count < THREADS / 4


def test_one_of_many_takes_an_abandoned_execution_over(
    subject: Subject, user_id: UUID, background: Background, database_clock: DatabaseClock
) -> None:
    subject.create_execution(options("k", user_id))
    subject.mark_running("k", lease=LONG)
    database_clock.advance(LONG)
    calls = Slow("result")
    answers = at_once(
        background,
        subject.execute_idempotent,
        options("k", user_id),
        calls,
        on_abandoned="retry",
        on_running="wait",
    )
    assert (answers, calls.count) == ({"'result'": THREADS}, 1)
    assert subject.get_execution("k").attempt == 2
    assert [one.attempt for one in subject.get_attempts("k")] == [1]


def test_one_of_many_verifies_an_abandoned_execution(
    subject: Subject, user_id: UUID, background: Background, database_clock: DatabaseClock
) -> None:
    subject.create_execution(options("k", user_id))
    subject.mark_running("k", lease=LONG)
    database_clock.advance(LONG)
    verify, calls = Slow(Happened("found")), Calls()
    answers = at_once(
        background,
        subject.execute_idempotent,
        options("k", user_id),
        calls,
        verify=verify,
        on_running="wait",
    )
    assert answers == {"'found'": THREADS}
    assert (verify.count, calls.count) == (1, 0)


def test_one_of_many_retries_a_failure(
    subject: Subject, user_id: UUID, background: Background
) -> None:
    with pytest.raises(ValueError, match="no"):
        subject.execute(options("k", user_id), Calls(raises=ValueError("no")))
    calls = Slow("result")
    answers = at_once(
        background, subject.execute_idempotent, options("k", user_id), calls, on_running="wait"
    )
    assert (answers, calls.count) == ({"'result'": THREADS}, 1)


def test_one_of_many_creates_and_one_claims(
    subject: Subject, user_id: UUID, background: Background
) -> None:
    created = at_once(background, lambda: subject.create_execution(options("k", user_id)).id)
    assert created == {"'k'": 1, ExecutionExistsError.__name__: THREADS - 1}
    claimed = at_once(background, lambda: subject.mark_running("k").attempt)
    assert claimed == {"1": 1, "IllegalTransitionError": THREADS - 1}


def test_the_same_webhook_many_times_completes_once(
    subject: Subject, user_id: UUID, background: Background
) -> None:
    subject.create_execution(options("k", user_id))
    ended = at_once(background, lambda: subject.mark_completed("k", {"a": 1}).completed_at)
    assert list(ended.values()) == [THREADS]


def test_many_purgers_take_every_row_once(
    subject: Subject,
    user_id: UUID,
    background: Background,
    database: Database,
    database_clock: DatabaseClock,
) -> None:
    for number in range(300):
        database.adopt(f"k{number}", user_id, "completed", completed_at="2020-01-01")
    database_clock.advance(timedelta(days=2))
    purged = at_once(background, lambda: subject.purge(timedelta(days=1), batch_size=7))
    assert sum(int(gone) * purgers for gone, purgers in purged.items()) == 300
    assert database.value("SELECT count(*) FROM workflow_executions") == 0


class Slow(Calls):
    """Takes long enough for all others to arrive."""

    def __call__(self, context: Any) -> Any:
        threading.Event().wait(0.3)
        return super().__call__(context)

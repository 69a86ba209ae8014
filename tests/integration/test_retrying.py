"""Retrying in one process, by tenacity over the real tracker."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from exec_tracker import ExecuteOptions, ExecutionFailedError, ExecutionTracker, RetryPolicy
from exec_tracker.integrations.retrying import async_retrying, retrying

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.aio import AsyncExecutionTracker


class Flaky:
    """Fails a number of times, then succeeds, and counts its runs."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.runs = 0

    def __call__(self) -> int:
        self.runs += 1
        if self.runs <= self.failures:
            raise ConnectionError("try again")
        return self.runs


def options(user_id: UUID) -> ExecuteOptions:
    return ExecuteOptions(idempotency_key="k", workflow_id="w", user_id=user_id)


def test_a_failing_call_is_repeated_until_it_succeeds(
    tracker: ExecutionTracker, user_id: UUID
) -> None:
    flaky = Flaky(failures=2)
    again = retrying(5, longest_pause=timedelta(milliseconds=10))
    assert again(tracker.execute_idempotent, options(user_id), flaky) == 3
    assert [one.attempt for one in tracker.get_attempts("k")] == [1, 2]


def test_the_stored_pause_between_attempts_is_kept(
    tracker: ExecutionTracker, user_id: UUID
) -> None:
    flaky = Flaky(failures=1)
    policy = RetryPolicy(backoff=timedelta(milliseconds=300))
    again = retrying(4, longest_pause=timedelta(seconds=2))
    result = again(tracker.execute_idempotent, options(user_id), flaky, retry=policy)
    assert result == 2
    execution = tracker.get_execution("k")
    (failed,) = tracker.get_attempts("k")
    assert execution is not None
    assert execution.started_at is not None
    assert execution.started_at - failed.ended_at >= timedelta(milliseconds=300)


def test_a_final_failure_is_not_repeated(tracker: ExecutionTracker, user_id: UUID) -> None:
    flaky = Flaky(failures=9)
    policy = RetryPolicy(give_up_on=(ConnectionError,))
    again = retrying(5, longest_pause=timedelta(milliseconds=10))
    with pytest.raises(ExecutionFailedError):
        again(tracker.execute_idempotent, options(user_id), flaky, retry=policy)
    assert flaky.runs == 1


async def test_an_async_call_is_repeated_as_well(
    async_tracker: AsyncExecutionTracker, user_id: UUID
) -> None:
    flaky = Flaky(failures=1)
    again = async_retrying(3, longest_pause=timedelta(milliseconds=10))
    assert await again(async_tracker.execute_idempotent, options(user_id), flaky) == 2

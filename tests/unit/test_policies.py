"""Policies refuse what could never be met, and count as they say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exec_tracker import ConfigurationError, ExecutionTracker, Happened, RetryPolicy

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    "bad",
    [{"max_attempts": 0}, {"max_attempts": -1}, {"backoff": -SECOND}, {"max_backoff": -SECOND}],
)
def test_limits_that_could_never_be_met_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        RetryPolicy(**bad)


def test_by_default_everything_is_retried_at_once_and_for_ever() -> None:
    policy = RetryPolicy()
    assert policy.max_attempts is None
    assert policy.is_retryable(ValueError())
    assert policy.delay_after(10**9) == timedelta(0)


@pytest.mark.parametrize(
    ("policy", "error", "retryable"),
    [
        (RetryPolicy(retry_on=(OSError,)), ConnectionError(), True),
        (RetryPolicy(retry_on=(OSError,)), ValueError(), False),
        (RetryPolicy(retry_on=()), ValueError(), False),
        (RetryPolicy(give_up_on=(LookupError,)), KeyError(), False),
        (RetryPolicy(give_up_on=(LookupError,)), ValueError(), True),
        (RetryPolicy(retry_on=(LookupError,), give_up_on=(KeyError,)), KeyError(), False),
        (RetryPolicy(retry_on=(LookupError,), give_up_on=(KeyError,)), IndexError(), True),
    ],
)
def test_which_errors_are_retried(
    policy: RetryPolicy, error: Exception, *, retryable: bool
) -> None:
    assert policy.is_retryable(error) is retryable


def test_the_backoff_doubles_up_to_its_bound() -> None:
    policy = RetryPolicy(backoff=SECOND, max_backoff=timedelta(seconds=5))
    assert [policy.delay_after(attempt) / SECOND for attempt in range(5)] == [1, 1, 2, 4, 5]


@given(st.integers(min_value=0, max_value=2**31 - 1))
def test_no_attempt_overflows_the_backoff(attempt: int) -> None:
    bound = timedelta(days=365)
    assert RetryPolicy(backoff=SECOND, max_backoff=bound).delay_after(attempt) <= bound


def test_policies_and_answers_cannot_be_changed() -> None:
    for value, name in ((RetryPolicy(), "max_attempts"), (Happened(1), "result")):
        with pytest.raises(AttributeError):
            setattr(value, name, 2)


@pytest.mark.parametrize(
    "bad",
    [
        {"lease": timedelta(0)},
        {"lease": -SECOND},
        {"lease": 60},
        {"save_timeout": -SECOND},
        {"save_timeout": 5},
    ],
)
def test_a_trackers_settings_that_cannot_work_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(bad))):
        ExecutionTracker("postgresql://nobody@localhost/none", **bad)

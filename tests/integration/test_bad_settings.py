"""A setting that cannot work is refused before anything has happened."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import ConfigurationError, ExecuteOptions, RetryPolicy

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker import ExecutionTracker
    from exec_tracker.testing import Effects


@pytest.mark.parametrize(
    "settings",
    [
        {"unknown_on": "TimeoutError"},
        {"unknown_on": (1,)},
        {"on_running": "queue"},
        {"on_failed": True},
        {"on_abandoned": "skip"},
        {"wait_timeout": 5},
        {"lease": timedelta(0)},
        {"lease": 30},
        {"save_timeout": timedelta(seconds=-1)},
        {"retry": 3},
    ],
)
def test_a_bad_setting_is_refused_before_the_claim(
    tracker: ExecutionTracker, user_id: UUID, effects: Effects, settings: dict[str, Any]
) -> None:
    options = ExecuteOptions(idempotency_key="k", workflow_id="w", user_id=user_id)
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        tracker.execute_idempotent(options, lambda: effects("charge"), **settings)
    assert effects.count("charge") == 0
    assert tracker.get_execution("k") is None


def test_an_unknown_keyword_names_those_that_there_are(
    tracker: ExecutionTracker, user_id: UUID
) -> None:
    options = ExecuteOptions(idempotency_key="k", workflow_id="w", user_id=user_id)
    misspelt: dict[str, Any] = {"on_abandon": "retry"}
    with pytest.raises(TypeError, match=r"'on_abandon'.*on_abandoned"):
        tracker.execute_idempotent(options, lambda: 1, **misspelt)


def test_options_that_are_a_dictionary_are_refused(tracker: ExecutionTracker) -> None:
    wrong: Any = {"idempotency_key": "k"}
    with pytest.raises(ConfigurationError, match="ExecuteOptions"):
        tracker.execute_idempotent(wrong, lambda: 1)


@pytest.mark.parametrize("given", [TimeoutError, [TimeoutError], (TimeoutError,)])
def test_one_exception_or_several_may_mean_that_nobody_knows(
    tracker: ExecutionTracker, user_id: UUID, given: Any
) -> None:
    def lose_the_answer() -> None:
        raise TimeoutError

    options = ExecuteOptions(idempotency_key="k", workflow_id="w", user_id=user_id)
    with pytest.raises(TimeoutError):
        tracker.execute_idempotent(options, lose_the_answer, unknown_on=given)
    (abandoned,) = tracker.find_abandoned()
    assert abandoned.id == "k"


@pytest.mark.parametrize("name", ["retry_on", "give_up_on"])
@pytest.mark.parametrize("given", [["x"], 5, {"a": 1}])
def test_a_retry_policy_takes_exception_classes_only(name: str, given: Any) -> None:
    with pytest.raises(ValueError, match=name):
        RetryPolicy(**{name: given})


def test_a_retry_policy_takes_timedeltas_only() -> None:
    seconds: Any = 5
    with pytest.raises(ValueError, match="backoff must be a timedelta"):
        RetryPolicy(backoff=seconds)


def test_a_late_callback_with_the_token_settles_an_unknown_outcome(
    tracker: ExecutionTracker, user_id: UUID
) -> None:
    options = ExecuteOptions(idempotency_key="k", workflow_id="w", user_id=user_id)

    def lose_the_answer() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        tracker.execute_idempotent(options, lose_the_answer, unknown_on=(TimeoutError,))
    (abandoned,) = tracker.find_abandoned()
    done = tracker.mark_completed("k", {"paid": True}, claim_token=abandoned.claim_token)
    assert done.result == {"paid": True}
    replayed = tracker.execute(options, lambda: {"paid": False})
    assert (replayed.cached, replayed.data) == (True, {"paid": True})

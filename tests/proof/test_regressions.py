"""What the proof has found, each as the shortest program that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import ExecuteOptions, ExecutionTracker, OutcomeUnknownError

if TYPE_CHECKING:
    from uuid import UUID


def _options(user_id: UUID) -> ExecuteOptions:
    return ExecuteOptions(idempotency_key="key", workflow_id="payments", user_id=user_id)


def _raise(error: Exception) -> Any:
    raise error


def test_what_ran_again_after_its_failure_was_erased_is_replayed(
    tracker: ExecutionTracker, user_id: UUID
) -> None:
    options = _options(user_id)
    with pytest.raises(ValueError, match="declined"):
        tracker.execute_idempotent(options, lambda: _raise(ValueError("declined")))
    tracker.erase("key")
    assert tracker.execute(options, lambda: "done").data == "done"
    again = tracker.execute(options, lambda: "again")
    assert (again.data, again.cached) == ("done", True)
    assert again.execution.erased_at is None


def test_what_was_resolved_after_its_failure_was_erased_is_replayed(
    tracker: ExecutionTracker, user_id: UUID
) -> None:
    options = _options(user_id)
    with pytest.raises(OutcomeUnknownError):
        tracker.execute_idempotent(options, lambda: _raise(OutcomeUnknownError()))
    tracker.erase("key")
    tracker.resolve("key", result="happened")
    assert tracker.execute_idempotent(options, lambda: "again") == "happened"

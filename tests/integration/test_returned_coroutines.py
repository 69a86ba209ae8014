"""A plain function that returns a coroutine has done nothing yet, and is told so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import ConfigurationError, ExecuteOptions, ExecutionStatus, ExecutionTracker

if TYPE_CHECKING:
    from uuid import UUID


@pytest.fixture
def options(user_id: UUID) -> ExecuteOptions:
    return ExecuteOptions(idempotency_key="k", workflow_id="w", user_id=user_id)


def charging(charged: list[str]) -> Any:
    """Return what would charge, if somebody awaited it."""

    async def charge() -> str:
        charged.append("ch_1")
        return "ch_1"

    return charge()


def test_a_returned_coroutine_is_closed_and_the_failure_may_be_retried(
    tracker: ExecutionTracker, options: ExecuteOptions
) -> None:
    charged: list[str] = []
    # A coroutine that is neither awaited nor closed would be a warning, and so an error here.
    with pytest.raises(ConfigurationError, match="nothing of it has run"):
        tracker.execute_idempotent(options, lambda: charging(charged))
    assert charged == []
    found = tracker.get_execution("k")
    assert found is not None
    assert found.status is ExecutionStatus.FAILED
    assert tracker.execute_idempotent(options, lambda: "ch_2") == "ch_2"


def test_the_transactional_mode_closes_it_too(
    tracker: ExecutionTracker, options: ExecuteOptions
) -> None:
    with pytest.raises(ConfigurationError, match="nothing of it has run"):
        tracker.execute_in_transaction(options, lambda _session: charging([]))
    assert tracker.execute_in_transaction(options, lambda _session: "written") == "written"


def test_a_verifier_that_returns_one_leaves_the_execution_abandoned(
    tracker: ExecutionTracker, options: ExecuteOptions
) -> None:
    def be_cut() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        tracker.execute(options, be_cut, unknown_on=(TimeoutError,))
    with pytest.raises(ConfigurationError, match="coroutine"):
        tracker.execute(options, lambda: None, verify=lambda: charging([]))
    found = tracker.get_execution("k")
    assert found is not None
    assert found.is_abandoned

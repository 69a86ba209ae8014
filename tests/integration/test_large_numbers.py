"""JSONB keeps decimals: a large float comes back as an integer, and is the same number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exec_tracker.types import ExecuteOptions
from tests.support.proxy import proxied

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.tracker import ExecutionTracker

LARGE = [1e22, 1e23, 1.2345678901234568e20, 2.0**70, -1.5e300, 1.7976931348623157e308]


def _options(user_id: UUID, **parameters: float) -> ExecuteOptions:
    return ExecuteOptions(
        idempotency_key="k", workflow_id="w", user_id=user_id, parameters=parameters
    )


@pytest.mark.parametrize("number", LARGE)
def test_completing_again_with_the_same_large_float_changes_nothing(
    tracker: ExecutionTracker, user_id: UUID, number: float
) -> None:
    tracker.create_execution(_options(user_id))
    first = tracker.mark_completed("k", {"n": [number]})
    assert tracker.mark_completed("k", {"n": [number]}).completed_at == first.completed_at


@pytest.mark.parametrize("number", LARGE)
def test_a_large_float_and_the_integer_it_comes_back_as_are_the_same_request(
    tracker: ExecutionTracker, user_id: UUID, number: float
) -> None:
    stored = tracker.execute(_options(user_id, n=number), lambda: "done").execution.parameters
    assert stored is not None
    assert tracker.execute(_options(user_id, **stored), lambda: "again").data == "done"


@pytest.mark.parametrize("number", [1e22, 1e23])
def test_a_completion_with_a_large_float_is_recognised_though_its_answer_is_lost(
    database_url: str, user_id: UUID, number: float
) -> None:
    from exec_tracker.tracker import ExecutionTracker

    with proxied(database_url) as (url, proxy), ExecutionTracker(url) as tracker:
        tracker.get_execution("k")
        proxy.swallow_next(b"SELECT 1\0", skip=1)  # the one before is the answer to the claim
        done = tracker.execute(_options(user_id), lambda: {"n": number})
        assert (proxy.cuts, done.cached, done.execution.status) == (1, False, "completed")

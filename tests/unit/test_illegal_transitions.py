"""What is said about a verb that cannot be applied: the state found, and the next step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from exec_tracker import Execution, ExecutionStatus, IllegalTransitionError
from exec_tracker.transitions import check_verb

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWNERS, OTHER = UUID(int=1), UUID(int=2)
LIVE, EXPIRED = {"lease_expires_at": NOW + timedelta(minutes=1)}, {"lease_expires_at": NOW}
UNKNOWN = {"error": {"outcome_unknown": True}}

LIVE_HINT = "; pass the claim_token of its owner, or wait until the lease has expired"
DECIDE_HINT = "; decide it with resolve or reset first"
TOKEN_HINT = " under another claim token"

SAID: list[tuple[str, str, dict[str, Any], UUID | None, str]] = [
    ("reset", "completed", {}, None, "completed"),
    ("reset", "pending", {}, None, "pending"),
    ("mark_completed", "failed", {}, None, "failed"),
    ("mark_running", "running", {}, None, "running"),
    ("mark_running", "running", LIVE, None, f"running under a live lease{LIVE_HINT}"),
    ("mark_completed", "running", LIVE, None, f"running under a live lease{LIVE_HINT}"),
    ("mark_running", "running", EXPIRED, None, f"running{DECIDE_HINT}"),
    ("mark_running", "failed", UNKNOWN, None, f"failed with its outcome unknown{DECIDE_HINT}"),
    ("mark_failed", "failed", UNKNOWN, None, f"failed with its outcome unknown{DECIDE_HINT}"),
    ("mark_failed", "running", LIVE, OTHER, f"running under a live lease{TOKEN_HINT}"),
    ("mark_failed", "running", EXPIRED, OTHER, f"running{TOKEN_HINT}"),
    ("mark_completed", "completed", {}, OWNERS, "completed"),
    ("mark_completed", "completed", {}, OTHER, f"completed{TOKEN_HINT}"),
]


@pytest.mark.parametrize(("verb", "status", "columns", "token", "said"), SAID)
def test_the_message_tells_the_state_and_the_next_step(
    verb: str, status: str, columns: dict[str, Any], token: UUID | None, said: str
) -> None:
    seen = Execution(
        id="k",
        workflow_id="w",
        user_id=UUID(int=9),
        status=ExecutionStatus(status),
        created_at=NOW,
        updated_at=NOW,
        observed_at=NOW,
        claim_token=OWNERS,
        **columns,
    )
    with pytest.raises(IllegalTransitionError) as caught:
        check_verb(verb, seen, token)
    assert str(caught.value) == f"{verb} is not possible for execution 'k': it is {said}."

"""The rules: what a caller may do about the execution that stands under its key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from exec_tracker import Execution, ExecutionStatus, IllegalTransitionError
from exec_tracker.transitions import (
    Abandoned,
    Claimant,
    Conflict,
    InProgress,
    Mine,
    Policy,
    Refuse,
    Replay,
    TakeOver,
    Verify,
    check_verb,
    decide,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ME, YOU = UUID(int=1), UUID(int=2)
MINE, THEIRS = UUID(int=11), UUID(int=12)
UNKNOWN = {"retryable": False, "outcome_unknown": True}
LIVE, EXPIRED = {"lease_expires_at": NOW + MINUTE}, {"lease_expires_at": NOW}

CLAIMANT = Claimant("k", "w", ME, "v1:a", MINE)


def seen(status: str, **columns: Any) -> Execution:
    values = {
        "id": "k",
        "workflow_id": "w",
        "user_id": ME,
        "created_at": NOW,
        "updated_at": NOW,
        "observed_at": NOW,
        "attempt": 1,
        "claim_token": THEIRS,
        "fingerprint": "v1:a",
    }
    return Execution(status=ExecutionStatus(status), **{**values, **columns})


@pytest.mark.parametrize(
    ("status", "columns", "policy", "decision"),
    [
        ("completed", {}, {}, Replay()),
        ("completed", {"claim_token": MINE}, {}, Replay()),
        ("completed", EXPIRED, {"on_abandoned": "retry"}, Replay()),
        ("running", LIVE, {}, InProgress()),
        ("running", LIVE, {"on_abandoned": "retry"}, InProgress()),
        ("running", {}, {"on_abandoned": "retry", "verifies": True}, InProgress()),
        ("running", {**LIVE, "claim_token": MINE}, {}, Mine()),
        ("running", {**EXPIRED, "claim_token": MINE}, {}, Mine()),
        ("running", EXPIRED, {}, Abandoned()),
        ("running", EXPIRED, {"on_failed": "raise"}, Abandoned()),
        ("running", EXPIRED, {"on_abandoned": "retry"}, TakeOver()),
        ("running", EXPIRED, {"verifies": True}, Verify()),
        ("running", EXPIRED, {"verifies": True, "on_abandoned": "retry"}, Verify()),
        ("failed", {"error": UNKNOWN}, {}, Abandoned()),
        ("failed", {"error": UNKNOWN}, {"on_abandoned": "retry"}, TakeOver()),
        ("failed", {"error": UNKNOWN}, {"verifies": True}, Verify()),
        ("pending", {}, {}, TakeOver()),
        ("pending", {}, {"on_failed": "raise", "max_attempts": 1}, TakeOver()),
        ("failed", {}, {}, TakeOver()),
        ("failed", {"error": {}}, {}, TakeOver()),
        ("failed", {}, {"on_failed": "raise"}, Refuse()),
        ("failed", {"error": {"retryable": False}}, {}, Refuse()),
        ("failed", {"error": {"retryable": False}}, {"on_abandoned": "retry"}, Refuse()),
        ("failed", {"attempt": 2}, {"max_attempts": 3}, TakeOver()),
        ("failed", {"attempt": 3}, {"max_attempts": 3}, Refuse()),
        ("failed", {"retry_at": NOW + MINUTE}, {}, Refuse(MINUTE)),
        ("failed", {"retry_at": NOW}, {}, TakeOver()),
    ],
)
def test_decision(
    status: str, columns: dict[str, Any], policy: dict[str, Any], decision: object
) -> None:
    assert decide(CLAIMANT, Policy(**policy), seen(status, **columns)) == decision


@pytest.mark.parametrize("status", list(ExecutionStatus))
@pytest.mark.parametrize(
    ("columns", "differs"),
    [
        ({"user_id": YOU}, None),
        ({"user_id": YOU, "workflow_id": "other"}, None),
        ({"workflow_id": "other"}, "workflow_id"),
        ({"fingerprint": "v1:b"}, "parameters"),
    ],
)
def test_another_request_is_a_conflict_in_every_status(
    status: str, columns: dict[str, Any], differs: str | None
) -> None:
    policy = Policy(on_abandoned="retry", verifies=True)
    for lease in (LIVE, EXPIRED):
        assert decide(CLAIMANT, policy, seen(status, **columns, **lease)) == Conflict(differs)


@pytest.mark.parametrize("fingerprint", [None, "v1:a", "v2:b"])
def test_fingerprints_that_cannot_tell_are_no_conflict(fingerprint: str | None) -> None:
    assert decide(CLAIMANT, Policy(), seen("completed", fingerprint=fingerprint)) == Replay()


LEGAL = {
    "mark_running": {"pending", "failed"},
    "mark_completed": {"pending", "running for ever", "running expired"},
    "mark_failed": {"pending", "running for ever", "running expired"},
    "resolve": {"running for ever", "running expired", "failed unknown"},
    "reset": {"running for ever", "running expired", "failed", "failed unknown"},
}
STATES: dict[str, tuple[str, dict[str, Any]]] = {
    "pending": ("pending", {}),
    "running live": ("running", LIVE),
    "running expired": ("running", EXPIRED),
    "running for ever": ("running", {}),
    "failed": ("failed", {}),
    "failed unknown": ("failed", {"error": UNKNOWN}),
    "completed": ("completed", {}),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", LEGAL)
def test_a_verb_is_legal_in_these_states_only(verb: str, state: str) -> None:
    status, columns = STATES[state]
    execution = seen(status, **columns)
    if state in LEGAL[verb]:
        check_verb(verb, execution)
        return
    with pytest.raises(IllegalTransitionError, match=f"{verb} .*'k'.*{status}") as caught:
        check_verb(verb, execution)
    assert caught.value.execution is execution


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", ["mark_completed", "mark_failed"])
def test_a_token_ends_its_own_claim_that_is_running_or_of_unknown_outcome(
    verb: str, state: str
) -> None:
    status, columns = STATES[state]
    execution = seen(status, **columns)
    if status == "running" or state == "failed unknown":
        check_verb(verb, execution, THEIRS)
    else:
        with pytest.raises(IllegalTransitionError):
            check_verb(verb, execution, THEIRS)
    with pytest.raises(IllegalTransitionError, match="another claim token"):
        check_verb(verb, execution, MINE)


def test_attempts_run_out_for_take_overs_as_they_do_for_retries() -> None:
    limited = Policy(on_abandoned="retry", max_attempts=2)
    expired = {**EXPIRED, "attempt": 2}
    assert decide(CLAIMANT, limited, seen("running", **expired)) == Abandoned()
    assert decide(CLAIMANT, limited, seen("running", **{**EXPIRED, "attempt": 1})) == TakeOver()

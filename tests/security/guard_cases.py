"""Executions in every state, what may be done to them, and what may not."""

from __future__ import annotations

from typing import Any

TOKEN = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"

CLAIMED = {"attempt": 1, "claim_token": TOKEN, "started_at": "2026-01-01T00:00:00Z"}
ROWS: dict[str, dict[str, Any]] = {
    "pending": {"status": "pending"},
    "live": {"status": "running", **CLAIMED, "lease_expires_at": "2999-01-01T00:00:00Z"},
    "expired": {"status": "running", **CLAIMED, "lease_expires_at": "2000-01-01T00:00:00Z"},
    "unleased": {"status": "running", **CLAIMED},
    "adopted": {"status": "running"},
    "failed by hand": {"status": "failed", "error_message": "it broke"},
    "failed": {"status": "failed", **CLAIMED, "error": {"retryable": True}},
    "in doubt": {"status": "failed", **CLAIMED, "error": {"outcome_unknown": True}},
    "completed": {
        "status": "completed",
        **CLAIMED,
        "result": 1,
        "parameters": {"a": 1},
        "fingerprint": "v1:x",
        "completed_at": "2026-01-01T00:00:01Z",
    },
    "erased": {
        "status": "completed",
        **CLAIMED,
        "completed_at": "2026-01-01T00:00:01Z",
        "erased_at": "2026-01-02T00:00:00Z",
    },
}

ERASE = (
    "result = NULL, parameters = NULL, error_message = NULL, error = NULL, "
    "erased_at = clock_timestamp()"
)
CLAIM = f"status = 'running', attempt = attempt + 1, claim_token = '{OTHER}'"
RESET = "status = 'pending', claim_token = NULL, lease_expires_at = NULL"
COMPLETE = "status = 'completed', result = '2', completed_at = clock_timestamp()"
FAIL = "status = 'failed', error = '{}', completed_at = clock_timestamp()"

# What the library does, and hosts may do: none of it is refused. The last column says whether
# nothing but built-in comparisons is paid for it.
LEGAL = [
    ("pending", CLAIM, True),
    ("pending", COMPLETE, True),
    ("pending", FAIL, True),
    ("pending", "status = 'running'", True),
    ("live", "lease_expires_at = clock_timestamp() + interval '1 minute'", True),
    ("live", COMPLETE, True),
    ("live", FAIL, True),
    ("expired", CLAIM, False),
    ("expired", RESET, False),
    ("expired", f"{COMPLETE}, claim_token = '{OTHER}'", False),
    ("unleased", f"{COMPLETE}, claim_token = '{OTHER}'", False),
    ("unleased", RESET, False),
    ("adopted", CLAIM, False),
    ("adopted", COMPLETE, True),
    ("adopted", FAIL, True),
    ("failed by hand", "status = 'running', started_at = now()", True),
    ("failed by hand", CLAIM, True),
    ("failed", CLAIM, True),
    ("failed", RESET, True),
    ("failed", FAIL, True),
    ("in doubt", COMPLETE, False),
    ("in doubt", FAIL, True),
    ("completed", ERASE, False),
    ("completed", "workflow_name = 'renamed', actor = 'system'", False),
    ("completed", "result = result", False),
    ("erased", "updated_at = clock_timestamp()", False),
]

ILLEGAL = [
    ("completed", "status = 'pending'", "completed_is_final"),
    ("completed", "status = 'running'", "completed_is_final"),
    ("completed", "status = 'failed'", "completed_is_final"),
    ("completed", "result = '2'", "outcome_is_immutable"),
    ("completed", "result = '1.00'", "outcome_is_immutable"),
    ("completed", "result = NULL", "outcome_is_immutable"),
    ("completed", "result = 'null'", "outcome_is_immutable"),
    ("completed", "id = id || '!'", "outcome_is_immutable"),
    ("completed", "workflow_id = 'another'", "outcome_is_immutable"),
    ("completed", "fingerprint = NULL", "outcome_is_immutable"),
    ("completed", "started_at = NULL", "outcome_is_immutable"),
    ("completed", "completed_at = clock_timestamp()", "outcome_is_immutable"),
    ("completed", "created_at = clock_timestamp()", "outcome_is_immutable"),
    ("completed", "attempt = attempt + 1", "outcome_is_immutable"),
    ("completed", f"{ERASE}, fingerprint = NULL", "outcome_is_immutable"),
    ("completed", "erased_at = clock_timestamp()", "erasure_is_final"),
    ("completed", "result = NULL, erased_at = clock_timestamp()", "erasure_is_final"),
    ("erased", "result = '1'", "outcome_is_immutable"),
    ("erased", "parameters = '{}'", "erasure_is_final"),
    ("erased", "erased_at = NULL", "erasure_is_final"),
    ("erased", "erased_at = clock_timestamp()", "erasure_is_final"),
    ("erased", "status = 'running'", "completed_is_final"),
    ("completed", "attempt = 0", "attempts_only_grow"),
    ("failed", "attempt = 0", "attempts_only_grow"),
    ("live", "attempt = attempt - 1", "attempts_only_grow"),
    ("live", RESET, "live_claims_are_not_taken"),
    ("live", "status = 'pending'", "live_claims_are_not_taken"),
    ("live", CLAIM, "live_claims_are_not_taken"),
    ("live", f"{COMPLETE}, claim_token = '{OTHER}'", "live_claims_are_not_taken"),
    ("failed", "status = 'running'", "claim_tokens_are_not_reused"),
    ("in doubt", "status = 'running', attempt = attempt + 1", "claim_tokens_are_not_reused"),
    ("failed", COMPLETE, "failures_complete_by_a_claim"),
    ("failed by hand", COMPLETE, "failures_complete_by_a_claim"),
]

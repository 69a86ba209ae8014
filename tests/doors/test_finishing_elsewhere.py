"""A claim that is detached is finished by whoever has its token, from any process."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from exec_tracker import ExecutionTracker, IllegalTransitionError, LeaseLostError
from tests.support.executors import options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.doors.conftest import NewDoor
    from tests.doors.handles import Door
    from tests.support.database import Database

CALLBACK = """
import json, sys
from exec_tracker import ExecutionTracker
url, key, token, result = sys.argv[1:]
with ExecutionTracker(url) as tracker:
    tracker.mark_completed(key, json.loads(result), claim_token=token or None)
"""


def call_back(url: str, key: str, token: object, result: str) -> None:
    """Complete an execution in another process."""
    subprocess.run(
        [sys.executable, "-c", CALLBACK, url, key, str(token or ""), result],
        check=True,
        timeout=60,
        capture_output=True,
    )


@pytest.mark.parametrize("lease", [None, timedelta(minutes=10)], ids=["for ever", "for a while"])
def test_a_detached_claim_is_completed_by_another_process(
    door: Door, user_id: UUID, database: Database, lease: timedelta | None
) -> None:
    with door.claimed(options("k", user_id)) as claim:
        token = claim.claim_token
        claim.detach(lease=lease)
    row = database.row("k")
    assert (row["status"], row["claim_token"]) == ("running", str(token))
    assert (row["lease_expires_at"] is None) == (lease is None)
    call_back(database.url, "k", token, '{"paid": 3}')
    row = database.row("k")
    assert (row["status"], row["result"], row["attempt"]) == ("completed", {"paid": 3}, 1)
    assert door.claim(options("k", user_id)).result == {"paid": 3}


def test_a_claim_detached_for_ever_is_completed_without_its_token_too(
    door: Door, user_id: UUID, database: Database
) -> None:
    door.claim(options("k", user_id)).detach()
    call_back(database.url, "k", None, "7")
    assert database.row("k")["result"] == 7


def test_a_live_lease_protects_a_detached_claim_from_callers_without_its_token(
    door: Door, user_id: UUID, database: Database
) -> None:
    claim = door.claim(options("k", user_id))
    claim.detach(lease=timedelta(minutes=10))
    with ExecutionTracker(database.url) as tracker:
        with pytest.raises(IllegalTransitionError, match="live lease"):
            tracker.mark_completed("k", 1)
        assert claim.claim_token is not None
        tracker.mark_failed("k", "declined", claim_token=claim.claim_token)
    assert database.row("k")["error_message"] == "declined"


def test_a_detached_claim_is_not_kept_alive(
    new_door: NewDoor, user_id: UUID, database: Database
) -> None:
    brief = timedelta(milliseconds=200)
    door = new_door(lease=brief)
    claim = door.claim(options("k", user_id))
    claim.detach(lease=brief)
    time.sleep(brief.total_seconds() * 3)
    again = door.claim(options("k", user_id), on_abandoned="retry")
    assert again.execution.attempt == 2
    again.complete()


def test_a_claim_completed_elsewhere_while_it_was_held_is_lost_here(
    door: Door, user_id: UUID, database: Database
) -> None:
    claim = door.claim(options("k", user_id))
    call_back(database.url, "k", claim.claim_token, '"elsewhere"')
    with pytest.raises(LeaseLostError) as caught:
        claim.complete("here")
    assert caught.value.result == "here"
    assert database.row("k")["result"] == "elsewhere"


def test_a_claim_completed_elsewhere_with_the_same_result_is_no_conflict(
    door: Door, user_id: UUID, database: Database
) -> None:
    claim = door.claim(options("k", user_id))
    call_back(database.url, "k", claim.claim_token, '"paid"')
    assert claim.complete("paid") == "paid"


def test_detaching_a_claim_that_was_taken_over_says_that_it_is_lost(
    door: Door, user_id: UUID, database: Database
) -> None:
    claim = door.claim(options("k", user_id))
    call_back(database.url, "k", claim.claim_token, "1")
    with pytest.raises(LeaseLostError):
        claim.detach()


def test_a_failed_detach_leaves_the_claim_to_end_otherwise(
    door: Door, user_id: UUID, database: Database
) -> None:
    with door.claimed(options("k", user_id)) as claim:
        claim.detach(lease=timedelta(seconds=30))
        with pytest.raises(IllegalTransitionError):
            claim.complete()
    assert database.row("k")["status"] == "running"

"""The claim handle: work that is not one function, and that says itself how it ended."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import (
    ConfigurationError,
    DidNotHappen,
    ExecutionAbandonedError,
    ExecutionFailedError,
    ExecutionInProgressError,
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    LeaseLostError,
    OutcomeUnknownError,
    ResultNotStorableError,
    RetryPolicy,
)
from tests.support.database import eventually
from tests.support.executors import options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.doors.conftest import NewDoor
    from tests.doors.handles import Door
    from tests.support.database import Database

BRIEF = timedelta(milliseconds=300)


def test_a_claim_is_running_until_it_is_completed(
    door: Door, user_id: UUID, database: Database
) -> None:
    with door.claimed(options("k", user_id)) as claim:
        assert (claim.cached, claim.result) == (False, None)
        row = database.row("k")
        assert (row["status"], row["claim_token"]) == ("running", str(claim.claim_token))
        assert claim.complete({"paid": 3}) == {"paid": 3}
        assert claim.result == {"paid": 3}
    row = database.row("k")
    assert (row["status"], row["result"], row["attempt"]) == ("completed", {"paid": 3}, 1)


def test_a_completed_key_gives_a_cached_handle(door: Door, user_id: UUID) -> None:
    door.claim(options("k", user_id)).complete("first")
    with door.claimed(options("k", user_id)) as again:
        assert (again.cached, again.result, again.claim_token) == (True, "first", None)
        with pytest.raises(IllegalTransitionError, match="cached"):
            again.complete("second")
    assert door.call("get_execution", "k").result == "first"


def test_a_handle_and_a_function_share_their_keys(door: Door, user_id: UUID) -> None:
    door.call("execute", options("1", user_id), lambda: "function")
    assert door.claim(options("1", user_id)).result == "function"
    door.claim(options("2", user_id)).complete("handle")
    assert door.call("execute_idempotent", options("2", user_id), lambda: "x") == "handle"


def test_a_held_key_is_refused_to_others(door: Door, user_id: UUID) -> None:
    with door.claimed(options("k", user_id)) as claim:
        with pytest.raises(ExecutionInProgressError):
            door.claim(options("k", user_id))
        claim.complete()


def test_a_key_of_another_request_is_refused(door: Door, user_id: UUID) -> None:
    door.claim(options("k", user_id)).complete()
    with pytest.raises(IdempotencyKeyReusedError):
        door.claim(options("k", user_id, parameters={"a": 1}))


def test_an_exception_in_the_block_is_recorded_and_goes_on(
    door: Door, user_id: UUID, database: Database
) -> None:
    error = LookupError("no such card")
    with pytest.raises(LookupError) as caught, door.claimed(options("k", user_id)):
        raise error
    assert caught.value is error
    row = database.row("k")
    assert (row["status"], row["error_message"]) == ("failed", "no such card")
    assert row["error"]["retryable"] is True
    (attempt,) = database.attempts("k")
    assert "Traceback" in attempt["error"]["traceback"]


def test_an_exception_after_the_end_of_the_claim_changes_nothing(
    door: Door, user_id: UUID, database: Database
) -> None:
    def complete_and_fail() -> None:
        with door.claimed(options("k", user_id)) as claim:
            claim.complete("paid")
            raise LookupError("too late")

    with pytest.raises(LookupError):
        complete_and_fail()
    assert (database.row("k")["status"], database.attempts("k")) == ("completed", [])


def test_an_interrupt_in_the_block_leaves_the_outcome_unknown(
    door: Door, user_id: UUID, database: Database
) -> None:
    with pytest.raises(KeyboardInterrupt), door.claimed(options("k", user_id)):
        raise KeyboardInterrupt
    assert database.row("k")["error"]["outcome_unknown"] is True


def test_exceptions_listed_as_unknown_leave_the_outcome_unknown(door: Door, user_id: UUID) -> None:
    asked = options("k", user_id)
    with pytest.raises(TimeoutError), door.claimed(asked, unknown_on=(TimeoutError,)):
        raise TimeoutError
    with pytest.raises(ExecutionAbandonedError):
        door.claim(asked)


def test_a_block_left_with_its_claim_open_is_abandoned_and_says_so(
    door: Door, user_id: UUID, database: Database
) -> None:
    with pytest.raises(OutcomeUnknownError, match="'k'"), door.claimed(options("k", user_id)):
        pass
    assert database.row("k")["error"]["outcome_unknown"] is True
    with pytest.raises(ExecutionAbandonedError):
        door.claim(options("k", user_id))
    assert [one.id for one in door.call("find_abandoned")] == ["k"]


def test_a_claim_ends_once(door: Door, user_id: UUID, database: Database) -> None:
    claim = door.claim(options("k", user_id))
    claim.complete("first")
    for again in (lambda: claim.complete("second"), lambda: claim.fail("no"), claim.detach):
        with pytest.raises(IllegalTransitionError, match="not open"):
            again()
    with pytest.raises(IllegalTransitionError):
        claim.heartbeat()
    assert database.row("k")["result"] == "first"


@pytest.mark.parametrize("retryable", [True, False])
def test_a_failure_is_recorded_by_message(
    door: Door, user_id: UUID, database: Database, *, retryable: bool
) -> None:
    door.claim(options("k", user_id)).fail("card declined", retryable=retryable)
    row = database.row("k")
    assert (row["status"], row["error_message"]) == ("failed", "card declined")
    assert [one["outcome"] for one in database.attempts("k")] == ["failed"]
    if retryable:
        assert door.claim(options("k", user_id)).execution.attempt == 2
    else:
        with pytest.raises(ExecutionFailedError, match="card declined"):
            door.claim(options("k", user_id))


def test_a_failure_is_recorded_by_exception_and_judged_by_the_retry_policy(
    door: Door, user_id: UUID, database: Database
) -> None:
    giving_up = RetryPolicy(give_up_on=(LookupError,))
    claim = door.claim(options("k", user_id), retry=giving_up)
    claim.fail(LookupError("no such card"))
    row = database.row("k")
    assert (row["error"]["type"], row["error"]["retryable"]) == ("LookupError", False)


def test_a_failure_that_is_not_to_be_retried_is_not_where_it_is_an_exception_either(
    door: Door, user_id: UUID, database: Database
) -> None:
    door.claim(options("k", user_id)).fail(LookupError("no such card"), retryable=False)
    assert database.row("k")["error"]["retryable"] is False


def test_a_result_that_cannot_be_stored_ends_the_claim(
    door: Door, user_id: UUID, database: Database
) -> None:
    claim = door.claim(options("k", user_id))
    with pytest.raises(ResultNotStorableError):
        claim.complete(object())
    row = database.row("k")
    assert (row["status"], row["error"]["retryable"]) == ("failed", False)


def test_a_result_keeps_its_type(door: Door, user_id: UUID) -> None:
    first = door.claim(options("k", user_id), result_type=Decimal).complete(Decimal("1.10"))
    again = door.claim(options("k", user_id), result_type=Decimal).result
    assert [(type(one), str(one)) for one in (first, again)] == [(Decimal, "1.10")] * 2


def test_a_lease_is_kept_alive_while_the_claim_is_held(
    new_door: NewDoor, user_id: UUID, database: Database
) -> None:
    door = new_door(lease=BRIEF)
    claim = door.claim(options("k", user_id))
    time.sleep(BRIEF.total_seconds() * 3)
    with pytest.raises(ExecutionInProgressError):
        door.claim(options("k", user_id), on_abandoned="retry")
    claim.complete("kept")
    assert database.row("k")["attempt"] == 1


def test_a_heartbeat_renews_the_lease_at_once(
    door: Door, user_id: UUID, database: Database
) -> None:
    claim = door.claim(options("k", user_id))
    before = database.row("k")["lease_expires_at"]
    claim.heartbeat()
    eventually(lambda: database.row("k")["lease_expires_at"] > before, 2)
    claim.complete()


def test_a_claim_that_was_taken_over_is_lost_and_its_result_is_in_the_error(
    door: Door, user_id: UUID, database: Database, database_clock: Any
) -> None:
    claim = door.claim(options("k", user_id))
    database_clock.advance(timedelta(minutes=5))
    other = door.claim(options("k", user_id), on_abandoned="retry")
    with pytest.raises(LeaseLostError):
        claim.heartbeat()
    assert claim.lease_lost
    with pytest.raises(LeaseLostError) as caught:
        claim.complete({"late": True})
    assert caught.value.result == {"late": True}
    other.complete("taken over")
    assert (database.row("k")["result"], database.row("k")["attempt"]) == ("taken over", 2)


def test_closing_the_tracker_lets_a_held_claim_complete(
    door: Door, user_id: UUID, database: Database
) -> None:
    claim = door.claim(options("k", user_id))
    door.close()
    assert claim.complete("after all") == "after all"
    assert database.row("k")["status"] == "completed"
    with pytest.raises(ConfigurationError, match="closed"):
        door.claim(options("k", user_id))


def test_a_verifier_is_not_for_handles(door: Door, user_id: UUID, database: Database) -> None:
    with pytest.raises(ConfigurationError, match="verify"):
        door.claim(options("k", user_id), verify=DidNotHappen)
    assert database.all("SELECT * FROM workflow_executions") == []

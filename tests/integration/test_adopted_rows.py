"""Rows that were there before the tracker: no fingerprint, attempt 0, no token, no lease."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from exec_tracker import (
    ExecutionExistsError,
    ExecutionInProgressError,
    ExecutionStatus,
    IdempotencyKeyReusedError,
)
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.fixtures import NewSubject
    from tests.support.subjects import Subject


@pytest.mark.parametrize("status", ["pending", "running", "completed", "failed"])
def test_an_adopted_row_can_be_read_and_listed(
    subject: Subject, user_id: UUID, database: Database, status: str
) -> None:
    database.adopt("k", user_id, status)
    seen = subject.get_execution("k")
    assert (seen.status, seen.attempt, seen.claim_token, seen.fingerprint) == (
        status,
        0,
        None,
        None,
    )
    assert not seen.is_abandoned
    assert [one.id for one in subject.get_recent_executions(user_id)] == ["k"]
    assert [one.id for one in subject.get_executions_by_status(user_id, status)] == ["k"]
    assert subject.get_attempts("k") == []


def test_an_adopted_result_is_replayed_whatever_the_parameters(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    database.adopt("k", user_id, "completed", result={"a": 1}, parameters={"x": 1})
    calls = Calls()
    assert subject.execute_idempotent(options("k", user_id, parameters={"x": 2}), calls) == {"a": 1}
    assert calls.count == 0


def test_an_adopted_completed_row_without_a_result_replays_none(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    database.adopt("k", user_id, "completed")
    result = subject.execute(options("k", user_id), Calls())
    assert (result.data, result.cached) == (None, True)


def test_an_adopted_row_is_not_given_to_another_user(
    subject: Subject, user_id: UUID, other_user_id: UUID, database: Database
) -> None:
    database.adopt("k", user_id, "completed", result="theirs")
    with pytest.raises(IdempotencyKeyReusedError):
        subject.execute(options("k", other_user_id), Calls())


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_an_adopted_row_that_has_not_ended_well_is_run_and_gets_its_fingerprint(
    subject: Subject, user_id: UUID, database: Database, status: str
) -> None:
    database.adopt("k", user_id, status)
    assert subject.execute_idempotent(options("k", user_id), Calls("now")) == "now"
    row = database.row("k")
    assert (row["status"], row["attempt"]) == ("completed", 1)
    assert row["fingerprint"].startswith("v1:")
    other = options("k", user_id, parameters={"other": 1})
    with pytest.raises(IdempotencyKeyReusedError):
        subject.execute(other, Calls())


def test_an_adopted_row_that_runs_for_ever_is_never_taken_over(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    database.adopt("k", user_id, "running", started_at="2020-01-01")
    calls = Calls()
    with pytest.raises(ExecutionInProgressError):
        subject.execute(options("k", user_id), calls, on_abandoned="retry")
    with pytest.raises(ExecutionInProgressError):
        subject.wait("k", timedelta(seconds=0.1))
    assert calls.count == 0
    assert subject.find_abandoned() == []


def test_an_adopted_running_row_can_be_completed(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    database.adopt("k", user_id, "running")
    assert subject.mark_completed("k", 7).result == 7
    assert subject.execute_idempotent(options("k", user_id), Calls()) == 7


def test_an_adopted_running_row_can_be_failed_and_run_again(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    database.adopt("k", user_id, "running")
    assert subject.mark_failed("k", "lost").error_message == "lost"
    assert subject.execute_idempotent(options("k", user_id), Calls("now")) == "now"


def test_an_adopted_running_row_can_be_resolved(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    database.adopt("k", user_id, "running")
    assert subject.resolve("k", result=7).status is ExecutionStatus.COMPLETED
    database.adopt("l", user_id, "running")
    assert subject.resolve("l", error="no").status is ExecutionStatus.FAILED


@pytest.mark.parametrize("status", ["running", "failed"])
def test_an_adopted_row_can_be_reset(
    subject: Subject, user_id: UUID, database: Database, status: str
) -> None:
    database.adopt("k", user_id, status)
    assert subject.reset("k").status is ExecutionStatus.PENDING
    assert subject.execute_idempotent(options("k", user_id), Calls("now")) == "now"


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_an_adopted_row_can_be_marked_running(
    subject: Subject, user_id: UUID, database: Database, status: str
) -> None:
    database.adopt("k", user_id, status)
    claimed = subject.mark_running("k")
    assert (claimed.status, claimed.attempt) == (ExecutionStatus.RUNNING, 1)
    assert subject.mark_completed("k", 1, claim_token=claimed.claim_token).result == 1


@pytest.mark.parametrize("status", ["pending", "completed", "failed"])
def test_an_adopted_row_can_be_erased(
    subject: Subject, user_id: UUID, database: Database, status: str
) -> None:
    database.adopt("k", user_id, status, result={"a": 1}, parameters={"x": 1})
    assert subject.erase("k").erased_at is not None
    row = database.row("k")
    assert (row["result"], row["parameters"]) == (None, None)


@pytest.mark.parametrize("status", ["pending", "running", "completed", "failed"])
def test_an_adopted_row_can_be_deleted(
    subject: Subject, user_id: UUID, database: Database, status: str
) -> None:
    database.adopt("k", user_id, status)
    subject.delete("k")
    assert database.all("SELECT 1 FROM workflow_executions") == []


def test_an_adopted_key_cannot_be_created_again(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    database.adopt("k", user_id, "running")
    with pytest.raises(ExecutionExistsError):
        subject.create_execution(options("k", user_id))


def test_adopted_completed_rows_are_purged_by_their_end(
    new_subject: NewSubject, user_id: UUID, database: Database
) -> None:
    old = "2020-01-01"
    database.adopt("old", user_id, "completed", created_at=old, completed_at=old)
    database.adopt("unended", user_id, "completed", created_at=old)
    assert new_subject().purge(timedelta(days=1)) == 1
    assert [row["id"] for row in database.all("SELECT id FROM workflow_executions")] == ["unended"]

"""Listings: newest first, in pages that inserts do not move, filtered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from exec_tracker import ExecutionActor, ExecutionStatus
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from tests.support.database import Database
    from tests.support.subjects import Subject

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STATUSES = tuple(ExecutionStatus)


@pytest.fixture
def rows(database: Database, user_id: UUID, other_user_id: UUID) -> list[str]:
    """Twenty executions, two of them in every minute, and one of somebody else; newest first."""
    for number in range(20):
        database.adopt(
            f"k{number:02}",
            user_id,
            STATUSES[number % 4],
            actor=tuple(ExecutionActor)[number % 4],
            created_at=NOON + timedelta(minutes=number // 2),
        )
    database.adopt("theirs", other_user_id, "failed", created_at=NOON)
    database.run("UPDATE workflow_executions SET workflow_id = 'odd' WHERE id ~ '[13579]$'")
    return [f"k{number:02}" for number in reversed(range(20))]


def ids(page: list[Any]) -> list[str]:
    return [one.id for one in page]


def test_one_users_executions_come_newest_first(
    subject: Subject, user_id: UUID, rows: list[str]
) -> None:
    assert ids(subject.get_recent_executions(user_id, limit=100)) == rows
    assert ids(subject.get_recent_executions(str(user_id), limit=100)) == rows
    assert subject.get_recent_executions(uuid4()) == []


def test_the_default_page_has_twenty(
    subject: Subject, user_id: UUID, rows: list[str], database: Database
) -> None:
    database.adopt("older", user_id, "pending", created_at=NOON - timedelta(days=1))
    assert ids(subject.get_recent_executions(user_id)) == rows


def test_pages_neither_repeat_nor_skip_while_others_insert(
    subject: Subject, user_id: UUID, rows: list[str], database: Database
) -> None:
    seen: list[str] = []
    page = subject.get_recent_executions(user_id, limit=3)
    while page:
        seen += ids(page)
        database.adopt(f"new{len(seen)}", user_id, "pending")
        page = subject.get_recent_executions(user_id, limit=3, before=page[-1])
    assert seen == rows


def test_a_page_goes_on_after_its_last_row_was_deleted(
    subject: Subject, user_id: UUID, rows: list[str]
) -> None:
    page = subject.get_recent_executions(user_id, limit=5)
    subject.delete(page[-1].id)
    assert ids(subject.get_recent_executions(user_id, limit=100, before=page[-1])) == rows[5:]


@pytest.mark.parametrize("status", STATUSES)
def test_executions_are_found_by_status(
    subject: Subject, user_id: UUID, rows: list[str], status: ExecutionStatus
) -> None:
    wanted = [key for key in rows if STATUSES[int(key[1:]) % 4] is status]
    first = subject.get_executions_by_status(user_id, status, limit=3)
    rest = subject.get_executions_by_status(user_id, str(status), before=first[-1])
    assert ids(first + rest) == wanted
    assert ids(subject.get_recent_executions(user_id, status=status)) == wanted
    assert {one.status for one in first} == {status}


def test_executions_are_found_by_workflow(
    subject: Subject, user_id: UUID, rows: list[str], other_user_id: UUID
) -> None:
    odd = [key for key in rows if int(key[1:]) % 2]
    first = subject.get_executions_by_workflow("odd", user_id, limit=4)
    rest = subject.get_executions_by_workflow("odd", user_id, before=first[-1])
    assert ids(first + rest) == odd
    completed = subject.get_executions_by_workflow("w", user_id, status=ExecutionStatus.COMPLETED)
    assert {one.status for one in completed} == {ExecutionStatus.COMPLETED}
    assert ids(subject.get_executions_by_workflow("w", other_user_id)) == ["theirs"]


def test_executions_are_found_by_actor_and_time(
    subject: Subject, user_id: UUID, rows: list[str]
) -> None:
    by_actor = subject.get_recent_executions(user_id, actor=ExecutionActor.WEBHOOK)
    assert {one.actor for one in by_actor} == {ExecutionActor.WEBHOOK}
    since, until = NOON + timedelta(minutes=2), NOON + timedelta(minutes=4)
    between = subject.get_recent_executions(user_id, since=since, until=until)
    assert ids(between) == ["k07", "k06", "k05", "k04"]


def test_an_operator_lists_everybodys(subject: Subject, rows: list[str]) -> None:
    assert set(ids(subject.list_executions(limit=100))) == {*rows, "theirs"}
    failed = subject.list_executions(status=ExecutionStatus.FAILED)
    assert {one.status for one in failed} == {ExecutionStatus.FAILED}


def test_executions_are_counted_by_status_the_absent_ones_too(
    subject: Subject, user_id: UUID, rows: list[str], other_user_id: UUID
) -> None:
    assert subject.count_by_status(user_id) == dict.fromkeys(STATUSES, 5)
    assert subject.count_by_status(other_user_id) == {
        **dict.fromkeys(STATUSES, 0),
        ExecutionStatus.FAILED: 1,
    }
    assert subject.count_by_status()[ExecutionStatus.FAILED] == 6


def test_a_listed_snapshot_is_the_one_that_reading_gives(subject: Subject, user_id: UUID) -> None:
    subject.execute(options("k", user_id, parameters={"a": 1}, actor="user"), Calls({"b": [None]}))
    (listed,) = subject.get_recent_executions(user_id)
    read = subject.get_execution("k")
    ignored = {"observed_at"}
    assert listed.model_dump(exclude=ignored) == read.model_dump(exclude=ignored)
    assert '"is_abandoned":false' in read.model_dump_json()


def test_times_are_aware_and_in_utc_whatever_the_session_says(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    database.run("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''Asia/Kathmandu'''"
                 ", current_database()); END $$")  # fmt: skip
    database.adopt("k", user_id, "pending", created_at=NOON)
    for seen in (subject.get_execution("k"), *subject.get_recent_executions(user_id)):
        assert (seen.created_at, seen.created_at.tzinfo) == (NOON, UTC)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_limit_out_of_bounds_is_refused(subject: Subject, user_id: UUID, limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        subject.get_recent_executions(user_id, limit=limit)


def test_a_user_or_status_that_cannot_be_one_is_refused(subject: Subject, user_id: UUID) -> None:
    with pytest.raises(ValueError, match="UUID"):
        subject.get_recent_executions("nobody")
    with pytest.raises(ValueError, match="succeeded"):
        subject.get_executions_by_status(user_id, "succeeded")

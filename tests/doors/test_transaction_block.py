"""The transactional mode as a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from exec_tracker import ExecutionInProgressError, TransactionControlError
from tests.support.executors import options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.doors.handles import Door
    from tests.support.database import Database


@pytest.fixture
def notes(database: Database) -> Any:
    """What the host's table holds, seen from outside."""
    database.run("CREATE TABLE ledger (note text)")
    return lambda: [row["note"] for row in database.all("SELECT note FROM ledger")]


def write(door: Door, block: Any, note: str) -> None:
    statement = text("INSERT INTO ledger VALUES (:note)")
    door.run(block.session.execute(statement, {"note": note}))


def test_claim_writes_and_result_commit_at_the_end_of_the_block(
    door: Door, user_id: UUID, database: Database, notes: Any
) -> None:
    with door.block(options("k", user_id)) as block:
        assert block.cached is False
        write(door, block, "a")
        block.complete({"paid": 3})
        assert (notes(), database.all("SELECT * FROM workflow_executions")) == ([], [])
    row = database.row("k")
    assert (row["status"], row["result"], notes()) == ("completed", {"paid": 3}, ["a"])


def test_a_second_block_is_cached_and_writes_nothing(door: Door, user_id: UUID, notes: Any) -> None:
    for note in ("a", "b"):
        with door.block(options("k", user_id)) as block:
            if not block.cached:
                write(door, block, note)
                block.complete(note)
            assert block.cached == (note == "b")
    assert (block.result, notes()) == ("a", ["a"])


def test_an_exception_undoes_the_writes_and_is_recorded_and_goes_on(
    door: Door, user_id: UUID, database: Database, notes: Any
) -> None:
    error = LookupError("no such card")

    def fail() -> None:
        with door.block(options("k", user_id)) as block:
            write(door, block, "a")
            raise error

    with pytest.raises(LookupError) as caught:
        fail()
    assert caught.value is error
    assert (notes(), database.row("k")["error_message"]) == ([], "no such card")


def test_an_interrupt_leaves_no_row_and_no_writes(
    door: Door, user_id: UUID, database: Database, notes: Any
) -> None:
    def interrupt() -> None:
        with door.block(options("k", user_id)) as block:
            write(door, block, "a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert (notes(), database.all("SELECT * FROM workflow_executions")) == ([], [])


def test_a_block_that_commits_is_refused_and_leaves_nothing(
    door: Door, user_id: UUID, database: Database, notes: Any
) -> None:
    def commit() -> None:
        with door.block(options("k", user_id)) as block:
            write(door, block, "a")
            door.run(block.session.commit())

    with pytest.raises(TransactionControlError):
        commit()
    assert notes() == []
    assert database.all("SELECT * FROM workflow_executions WHERE status <> 'failed'") == []


def test_the_same_key_inside_its_block_is_refused(door: Door, user_id: UUID, notes: Any) -> None:
    with door.block(options("k", user_id)) as block:
        if door.blocking:
            with pytest.raises(ExecutionInProgressError, match="itself"):
                door.call("execute", options("k", user_id), lambda: 1)
        block.complete()


def test_another_key_can_be_used_after_a_block_that_failed(
    door: Door, user_id: UUID, database: Database, notes: Any
) -> None:
    def fail() -> None:
        with door.block(options("k", user_id)):
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    for key in ("k", "other"):
        assert door.call("execute_idempotent", options(key, user_id), lambda: 1) == 1

"""With a session of the tracker's own: claim, writes and result are there together, or none is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import IntegrityError

from exec_tracker import (
    ExecutionFailedError,
    ResultNotStorableError,
    RetryPolicy,
)
from tests.support.executors import options
from tests.transactional.hosts import Entry, careless, writing

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from tests.support.database import Database
    from tests.transactional.conftest import Ledger
    from tests.transactional.hosts import Host


def test_claim_writes_and_result_are_there_together(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    assert host.execute_in_transaction(options("k", user_id), writing("a", "b", result=7)) == 7
    row = database.row("k")
    assert (row["status"], row["result"], row["attempt"]) == ("completed", 7, 1)
    assert ledger.notes == {"a", "b"}
    assert database.attempts("k") == []


def test_nothing_can_be_seen_before_the_commit(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    seen: list[Any] = []

    def work(session: Session) -> str:
        writing("a")(session)
        seen.append((ledger.notes, database.all("SELECT * FROM workflow_executions")))
        return "done"

    host.execute_in_transaction(options("k", user_id), work)
    assert seen == [(set(), [])]


def test_second_call_replays_and_writes_nothing(host: Host, user_id: UUID, ledger: Ledger) -> None:
    host.execute_in_transaction(options("k", user_id), writing("a", result="first"))
    again = host.execute_in_transaction(options("k", user_id), writing("b", result="second"))
    assert again == "first"
    assert ledger.notes == {"a"}


def test_a_failure_undoes_the_writes_and_commits_the_failed_row_with_its_history(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    error = LookupError("no such card")
    with pytest.raises(LookupError) as caught:
        host.execute_in_transaction(options("k", user_id), writing("a", raises=error))
    assert caught.value is error
    assert ledger.notes == set()
    row = database.row("k")
    assert (row["status"], row["error_message"]) == ("failed", "no such card")
    (attempt,) = database.attempts("k")
    assert (attempt["outcome"], attempt["error"]["type"]) == ("failed", "LookupError")
    assert "in work" in attempt["error"]["traceback"]


def test_a_failed_key_is_run_again_by_the_next_call(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    with pytest.raises(LookupError):
        host.execute_in_transaction(options("k", user_id), writing("a", raises=LookupError()))
    assert host.execute_in_transaction(options("k", user_id), writing("a")) == "done"
    assert (database.row("k")["attempt"], ledger.notes) == (2, {"a"})


def test_a_stored_failure_is_replayed_where_asked_with_on_failed_raise(
    host: Host, user_id: UUID, ledger: Ledger
) -> None:
    with pytest.raises(LookupError):
        host.execute_in_transaction(options("k", user_id), writing(raises=LookupError("gone")))
    with pytest.raises(ExecutionFailedError, match="gone") as caught:
        host.execute_in_transaction(options("k", user_id), writing("a"), on_failed="raise")
    assert caught.value.error is not None
    assert caught.value.error["type"] == "LookupError"
    assert ledger.notes == set()


def test_a_retry_policy_limits_the_attempts(host: Host, user_id: UUID, ledger: Ledger) -> None:
    once = RetryPolicy(max_attempts=1)
    with pytest.raises(LookupError):
        host.execute_in_transaction(
            options("k", user_id), writing(raises=LookupError()), retry=once
        )
    with pytest.raises(ExecutionFailedError):
        host.execute_in_transaction(options("k", user_id), writing("a"), retry=once)
    assert ledger.notes == set()


def test_an_integrity_error_of_the_functions_objects_reaches_the_caller_unchanged(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    host.execute_in_transaction(options("1", user_id), writing("a"))
    with pytest.raises(IntegrityError):
        host.execute_in_transaction(options("2", user_id), writing("b", "a"))
    assert ledger.notes == {"a"}
    assert database.row("2")["status"] == "failed"


def test_objects_that_were_only_added_are_flushed_and_an_error_there_is_the_functions(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    def work(session: Session) -> str:
        session.add_all([Entry(note="a"), Entry(note="a")])
        return "done"

    with pytest.raises(IntegrityError):
        host.execute_in_transaction(options("k", user_id), work)
    assert (ledger.notes, database.row("k")["status"]) == (set(), "failed")


def test_an_error_that_the_function_handles_in_a_savepoint_is_its_own_affair(
    host: Host, user_id: UUID, ledger: Ledger
) -> None:
    def work(session: Session) -> str:
        session.add(Entry(note="a"))
        for note in ("a", "b"):
            try:
                with session.begin_nested():
                    session.add(Entry(note=note))
            except IntegrityError:
                continue
        return "done"

    assert host.execute_in_transaction(options("k", user_id), work) == "done"
    assert ledger.notes == {"a", "b"}


def test_a_sql_error_that_the_function_swallows_does_not_commit_half_of_its_writes(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    with pytest.raises(Exception, match="abort"):
        host.execute_in_transaction(options("k", user_id), careless)
    assert ledger.notes == set()
    assert database.row("k")["status"] == "failed"


def test_a_result_that_cannot_be_stored_undoes_the_writes(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    unstorable = object()
    with pytest.raises(ResultNotStorableError, match="undone") as caught:
        host.execute_in_transaction(options("k", user_id), writing("a", result=unstorable))
    assert caught.value.result is unstorable
    assert ledger.notes == set()
    row = database.row("k")
    assert (row["status"], row["error"]["retryable"]) == ("failed", False)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt("^C"), SystemExit(3)])
def test_an_interrupt_leaves_no_row_and_no_writes(
    host: Host, user_id: UUID, ledger: Ledger, database: Database, interrupt: BaseException
) -> None:
    with pytest.raises(type(interrupt)):
        host.execute_in_transaction(options("k", user_id), writing("a", raises=interrupt))
    assert ledger.notes == set()
    assert database.all("SELECT * FROM workflow_executions") == []
    assert host.execute_in_transaction(options("k", user_id), writing("a")) == "done"


def test_a_stop_iteration_is_an_error_like_any_other(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    error = StopIteration(7)
    # No coroutine can raise it: Python itself makes it the cause of a RuntimeError (PEP 479).
    expected = RuntimeError if host.driver.startswith("async") else StopIteration
    with pytest.raises(expected):
        host.execute_in_transaction(options("k", user_id), writing("a", raises=error))
    assert ledger.notes == set()
    assert database.row("k")["status"] == "failed"

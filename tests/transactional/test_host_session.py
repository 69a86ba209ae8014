"""In the host's session: what happened stands or falls with the host's own commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import IntegrityError

from exec_tracker import (
    ExecutionFailedError,
    ExecutionInProgressError,
    IdempotencyKeyReusedError,
    ResultNotStorableError,
)
from tests.support.executors import options
from tests.transactional.hosts import SYNC, Entry, careless, writing

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from tests.support.database import Database
    from tests.transactional.conftest import Ledger
    from tests.transactional.hosts import Host


def executions(database: Database) -> list[dict[str, Any]]:
    return database.all("SELECT id, status FROM workflow_executions ORDER BY id")


def test_nothing_is_committed_before_the_host_commits(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    with host.session() as session:
        session.write("mine")
        assert session.execute_in_transaction(options("k", user_id), writing("a")) == "done"
        assert (ledger.notes, executions(database)) == (set(), [])
        session.commit()
    assert ledger.notes == {"mine", "a"}
    assert database.row("k")["status"] == "completed"


def test_the_hosts_rollback_erases_claim_and_writes_together(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    with host.session() as session:
        session.execute_in_transaction(options("k", user_id), writing("a"))
        session.rollback()
        assert (ledger.notes, executions(database)) == (set(), [])
        session.execute_in_transaction(options("k", user_id), writing("b"))
        session.commit()
    assert ledger.notes == {"b"}


def test_a_replay_inside_the_hosts_transaction_sees_what_it_has_not_committed(
    host: Host, user_id: UUID, ledger: Ledger
) -> None:
    with host.session() as session:
        for note in ("a", "b"):
            work = writing(note, result="first" if note == "a" else "second")
            assert session.execute_in_transaction(options("k", user_id), work) == "first"
        session.commit()
    assert ledger.notes == {"a"}


def test_a_failure_undoes_the_functions_writes_and_leaves_the_hosts(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    with host.session() as session:
        session.write("mine")
        with pytest.raises(LookupError):
            session.execute_in_transaction(
                options("k", user_id), writing("a", raises=LookupError("no such card"))
            )
        assert executions(database) == []
        session.write("mine too")
        session.commit()
    assert ledger.notes == {"mine", "mine too"}
    assert database.row("k")["error_message"] == "no such card"
    assert [one["outcome"] for one in database.attempts("k")] == ["failed"]


def test_the_host_may_roll_a_failure_back_with_everything_else(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    with host.session() as session:
        session.write("mine")
        with pytest.raises(LookupError):
            session.execute_in_transaction(options("k", user_id), writing(raises=LookupError()))
        session.rollback()
    assert (ledger.notes, executions(database)) == (set(), [])
    assert database.all("SELECT * FROM workflow_execution_attempts") == []


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt("^C"), SystemExit(3)])
def test_an_interrupt_leaves_no_claim_in_the_hosts_transaction(
    host: Host, user_id: UUID, ledger: Ledger, database: Database, interrupt: BaseException
) -> None:
    with host.session() as session:
        session.write("mine")
        with pytest.raises(type(interrupt)):
            session.execute_in_transaction(options("k", user_id), writing("a", raises=interrupt))
        session.commit()
    assert (ledger.notes, executions(database)) == ({"mine"}, [])


def test_an_interrupt_leaves_a_failed_row_as_it_was(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    with pytest.raises(LookupError):
        host.execute_in_transaction(options("k", user_id), writing(raises=LookupError("before")))
    before = database.row("k")
    with host.session() as session:
        with pytest.raises(KeyboardInterrupt):
            session.execute_in_transaction(
                options("k", user_id), writing("a", raises=KeyboardInterrupt())
            )
        session.commit()
    assert database.row("k") == before


def test_an_integrity_error_reaches_the_caller_and_the_transaction_is_usable(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    def work(session: Session) -> str:
        session.add_all([Entry(note="a"), Entry(note="mine")])
        return "done"

    with host.session() as session:
        session.write("mine")
        with pytest.raises(IntegrityError):
            session.execute_in_transaction(options("k", user_id), work)
        session.commit()
    assert ledger.notes == {"mine"}
    assert database.row("k")["status"] == "failed"


def test_a_swallowed_sql_error_undoes_the_functions_writes_and_no_more(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    with host.session() as session:
        session.write("mine")
        with pytest.raises(Exception, match="abort"):
            session.execute_in_transaction(options("k", user_id), careless)
        session.commit()
    assert ledger.notes == {"mine"}
    assert database.row("k")["status"] == "failed"


def test_a_result_that_cannot_be_stored_undoes_the_functions_writes_only(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    with host.session() as session:
        session.write("mine")
        with pytest.raises(ResultNotStorableError):
            session.execute_in_transaction(options("k", user_id), writing("a", result=object()))
        session.commit()
    assert ledger.notes == {"mine"}
    assert database.row("k")["error"]["retryable"] is False


def test_refusals_leave_the_hosts_transaction_usable(
    host: Host, user_id: UUID, other_user_id: UUID, ledger: Ledger
) -> None:
    host.execute_in_transaction(options("theirs", other_user_id), writing())
    with pytest.raises(LookupError):
        host.execute_in_transaction(options("failed", user_id), writing(raises=LookupError()))
    with host.session() as session:
        session.write("mine")
        with pytest.raises(IdempotencyKeyReusedError):
            session.execute_in_transaction(options("theirs", user_id), writing("a"))
        with pytest.raises(ExecutionFailedError):
            session.execute_in_transaction(
                options("failed", user_id), writing("b"), on_failed="raise"
            )
        session.commit()
    assert ledger.notes == {"mine"}


def test_several_keys_share_one_transaction(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    with host.session() as session:
        for key in ("1", "2", "3"):
            session.execute_in_transaction(options(key, user_id), writing(key))
        session.commit()
    assert ledger.notes == {"1", "2", "3"}
    assert {row["status"] for row in executions(database)} == {"completed"}


def test_objects_the_host_has_added_and_not_flushed_stay_the_hosts(
    host: Host, user_id: UUID, ledger: Ledger
) -> None:
    with host.session(autoflush=False, expire_on_commit=False) as session:
        session.run(lambda it: it.add(Entry(note="mine")))
        with pytest.raises(LookupError):
            session.execute_in_transaction(options("k", user_id), writing(raises=LookupError()))
        session.commit()
    assert ledger.notes == {"mine"}


def test_it_works_in_a_savepoint_of_the_hosts(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    with host.session() as session:
        session.write("mine")
        savepoint = session.run(lambda it: it.begin_nested())
        session.execute_in_transaction(options("k", user_id), writing("a"))
        session.run(lambda _: savepoint.rollback())
        session.commit()
    assert (ledger.notes, executions(database)) == ({"mine"}, [])


@pytest.mark.parametrize("host_driver", SYNC)
def test_a_key_of_the_same_transaction_is_refused_inside_its_function(
    host: Host, user_id: UUID, ledger: Ledger
) -> None:
    with host.session() as session:

        def work(_session: Session) -> Any:
            return session.execute_in_transaction(options("k", user_id), writing("b"))

        with pytest.raises(ExecutionInProgressError, match="itself"):
            session.execute_in_transaction(options("k", user_id), work)
        session.commit()
    assert ledger.notes == set()


@pytest.mark.parametrize("host_driver", SYNC)
def test_other_keys_may_be_run_inside_a_function(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    with host.session() as session:

        def work(_session: Session) -> Any:
            return session.execute_in_transaction(options("in", user_id), writing("b"))

        session.execute_in_transaction(options("out", user_id), work)
        session.commit()
    assert ledger.notes == {"b"}
    assert [row["status"] for row in executions(database)] == ["completed", "completed"]

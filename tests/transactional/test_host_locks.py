"""What the tracker leaves in the host's transaction: its settings as they were, and no lock."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from exec_tracker import ExecutionInProgressError, IdempotencyKeyReusedError
from tests.support.executors import options
from tests.transactional.hosts import Entry, writing

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from tests.support.database import Database
    from tests.transactional.conftest import Ledger
    from tests.transactional.hosts import Host, HostSession

SHORT = timedelta(milliseconds=300)


@pytest.mark.parametrize("setting", ["lock_timeout", "synchronous_commit"])
@pytest.mark.parametrize("ending", [None, LookupError("no")], ids=["done", "failed"])
def test_the_settings_of_the_hosts_transaction_are_what_they_were(
    host: Host, user_id: UUID, setting: str, ending: Exception | None, ledger: Ledger
) -> None:
    ours = {"lock_timeout": "1234ms", "synchronous_commit": "off"}

    def show(session: Session) -> Any:
        return session.scalar(text(f"SHOW {setting}"))

    with host.session() as session:
        session.run(lambda it: it.execute(text(f"SET LOCAL {setting} = {ours[setting]!r}")))
        before = session.run(show)
        inside: list[Any] = []

        def work(lent: Session) -> Any:
            inside.append(show(lent))
            return writing("a", raises=ending)(lent)

        try:
            session.execute_in_transaction(options("k", user_id), work, result_type=str)
        except LookupError:
            assert ending is not None
        assert (inside, session.run(show)) == ([before], before)


def locks_on_executions(session: HostSession) -> list[Any]:
    """List what this session's transaction holds on our tables, tuples and indexes included."""

    def look(it: Session) -> list[Any]:
        return list(
            it.scalars(
                text(
                    "SELECT mode FROM pg_locks JOIN pg_class c ON c.oid = relation"
                    " WHERE pid = pg_backend_pid() AND c.relname LIKE 'workflow_execution%'"
                )
            )
        )

    return list(session.run(look))


def test_a_refusal_leaves_no_lock_behind(
    host: Host, user_id: UUID, other_user_id: UUID, ledger: Ledger
) -> None:
    host.execute_in_transaction(options("k", other_user_id), writing())
    with host.session() as session:
        session.write("mine")
        with pytest.raises(IdempotencyKeyReusedError):
            session.execute_in_transaction(options("k", user_id), writing())
        assert locks_on_executions(session) == []
        session.commit()
    assert ledger.notes == {"mine"}


def test_a_lock_timeout_leaves_the_transaction_usable_and_no_lock_behind(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    with host.session() as first, host.session() as second:
        first.execute_in_transaction(options("k", user_id), writing("a"))
        second.write("mine")
        began = time.monotonic()
        with pytest.raises(ExecutionInProgressError, match="another transaction"):
            second.execute_in_transaction(options("k", user_id), writing("b"), wait_timeout=SHORT)
        assert SHORT.total_seconds() * 0.9 <= time.monotonic() - began < 2
        assert locks_on_executions(second) == []
        second.write("mine too")
        second.commit()
        first.commit()
    assert ledger.notes == {"a", "mine", "mine too"}


def test_a_lock_timeout_on_a_row_that_exists_leaves_no_lock_behind(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    host.call("create_execution", options("k", user_id))
    with host.session() as session:
        session.write("mine")
        with database.locked("SELECT 1 FROM workflow_executions WHERE id = 'k' FOR UPDATE"):
            with pytest.raises(ExecutionInProgressError):
                session.execute_in_transaction(
                    options("k", user_id), writing("a"), wait_timeout=SHORT
                )
            assert locks_on_executions(session) == []
        assert session.execute_in_transaction(options("k", user_id), writing("a")) == "done"
        session.commit()
    assert ledger.notes == {"mine", "a"}


def test_a_function_that_takes_longer_than_the_wait_still_stores_its_result(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    def work(session: Session) -> Any:
        session.execute(text("SELECT pg_sleep(0.5)"))
        return writing("a")(session)

    host.execute_in_transaction(options("k", user_id), work, wait_timeout=SHORT)
    assert (ledger.notes, database.row("k")["status"]) == ({"a"}, "completed")


def test_the_hosts_child_rows_do_not_block_the_end_of_an_execution(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    database.run("ALTER TABLE ledger ADD COLUMN execution_id text REFERENCES workflow_executions")

    def work(session: Session) -> str:
        session.add(Entry(note="a"))
        session.flush()
        session.execute(text("UPDATE ledger SET execution_id = 'k'"))
        return "done"

    assert host.execute_in_transaction(options("k", user_id), work) == "done"
    assert database.value("SELECT execution_id FROM ledger") == "k"

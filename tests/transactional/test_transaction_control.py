"""The function may use savepoints; ending the transaction is not its to do."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from exec_tracker import (
    AsyncExecutionTracker,
    ConfigurationError,
    ExecutionTracker,
    TransactionControlError,
)
from tests.support.executors import options
from tests.transactional.hosts import ASYNC, SYNC, Entry, writing

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from tests.support.database import Database
    from tests.transactional.conftest import Ledger, NewHost
    from tests.transactional.hosts import Host

    Seen = tuple[Ledger, Database]
    End = Callable[[Session], None]

ENDS = [Session.commit, Session.rollback, Session.close]
ending = pytest.mark.parametrize("end", ENDS, ids=lambda one: one.__name__)
swallowing = pytest.mark.parametrize("swallows", [False, True], ids=["open", "swallowed"])


@pytest.fixture
def seen(ledger: Ledger, database: Database) -> Seen:
    """What can be seen from outside."""
    return ledger, database


def ends_it(end: End, swallows: bool) -> Callable[[Session], str]:
    """Make a function that ends its transaction half-way, and may look away."""

    def work(session: Session) -> str:
        writing("a")(session)
        with contextlib.suppress(Exception) if swallows else contextlib.nullcontext():
            end(session)
        with contextlib.suppress(Exception) if swallows else contextlib.nullcontext():
            writing("b")(session)
        return "done"

    return work


@ending
@swallowing
def test_a_function_that_ends_the_trackers_transaction_is_refused_and_leaves_nothing(
    host: Host, user_id: UUID, seen: Seen, end: End, swallows: bool
) -> None:
    ledger, database = seen
    with pytest.raises(TransactionControlError):
        host.execute_in_transaction(options("k", user_id), ends_it(end, swallows=swallows))
    assert ledger.notes == set()
    assert database.all("SELECT id FROM workflow_executions WHERE status <> 'failed'") == []
    assert host.execute_in_transaction(options("k", user_id), writing("a")) == "done"


@ending
@swallowing
def test_a_function_that_ends_the_hosts_transaction_is_refused_and_leaves_nothing(
    host: Host, user_id: UUID, seen: Seen, end: End, swallows: bool
) -> None:
    ledger, database = seen
    with host.session() as session:
        session.write("mine")
        with pytest.raises(TransactionControlError):
            session.execute_in_transaction(options("k", user_id), ends_it(end, swallows=swallows))
        session.commit()
    # A commit is stopped before it happens; a rollback or close has taken the host's writes along.
    assert ledger.notes == ({"mine"} if end is Session.commit else set())
    assert database.all("SELECT id FROM workflow_executions WHERE status <> 'failed'") == []
    with host.session() as session:
        assert session.execute_in_transaction(options("k", user_id), writing("a")) == "done"
        session.commit()


def test_savepoints_are_the_functions_to_use(host: Host, user_id: UUID, ledger: Ledger) -> None:
    def work(session: Session) -> str:
        for note in ("a", "b"):
            savepoint = session.begin_nested()
            session.add(Entry(note=note))
            savepoint.commit() if note == "a" else savepoint.rollback()
        return "done"

    assert host.execute_in_transaction(options("k", user_id), work) == "done"
    assert ledger.notes == {"a"}


@pytest.mark.parametrize("error", [None, LookupError("no")], ids=["done", "failed"])
def test_a_savepoint_left_open_ends_with_the_functions_work(
    host: Host, user_id: UUID, ledger: Ledger, database: Database, error: Exception | None
) -> None:
    def work(session: Session) -> Any:
        session.begin_nested()
        return writing("a", raises=error)(session)

    with host.session() as session:
        session.write("mine")
        with contextlib.suppress(LookupError):
            session.execute_in_transaction(options("k", user_id), work)
        session.commit()
    assert ledger.notes == ({"mine"} if error else {"mine", "a"})
    assert database.row("k")["status"] == ("failed" if error else "completed")


def test_a_host_session_in_autocommit_is_refused(
    new_host: NewHost, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    host = new_host(isolation_level="AUTOCOMMIT")
    with host.session() as session, pytest.raises(ConfigurationError, match="AUTOCOMMIT"):
        session.execute_in_transaction(options("k", user_id), writing("a"))
    with pytest.raises(ConfigurationError, match="AUTOCOMMIT"):
        host.execute_in_transaction(options("k", user_id), writing("a"))
    assert (ledger.notes, database.all("SELECT * FROM workflow_executions")) == (set(), [])


@pytest.mark.parametrize("driver", SYNC)
def test_a_session_bound_to_several_engines_is_refused(
    driver: str, database_url: str, user_id: UUID, database: Database, ledger: Ledger
) -> None:
    url = database_url.replace("postgresql:", f"postgresql+{SYNC[driver]}:")
    one, other = create_engine(url), create_engine(url)
    with (
        ExecutionTracker(one) as tracker,
        Session(one, binds={Entry: other}) as session,
        pytest.raises(ConfigurationError, match="several engines"),
    ):
        tracker.execute_in_transaction(options("k", user_id), writing("a"), session=session)
    one.dispose()
    other.dispose()
    assert (ledger.notes, database.all("SELECT * FROM workflow_executions")) == (set(), [])


@pytest.mark.parametrize("driver", ASYNC)
async def test_an_async_session_bound_to_several_engines_is_refused(
    driver: str, database_url: str, user_id: UUID, database: Database, ledger: Ledger
) -> None:
    url = database_url.replace("postgresql:", f"postgresql+{ASYNC[driver]}:")
    one, other = create_async_engine(url), create_async_engine(url)
    async with (
        AsyncExecutionTracker(one) as tracker,
        AsyncSession(one, binds={Entry: other}) as session,
    ):
        with pytest.raises(ConfigurationError, match="several engines"):
            await tracker.execute_in_transaction(
                options("k", user_id), writing("a"), session=session
            )
    await one.dispose()
    await other.dispose()
    assert (ledger.notes, database.all("SELECT * FROM workflow_executions")) == (set(), [])

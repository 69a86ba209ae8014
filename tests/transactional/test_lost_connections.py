"""A connection that breaks under a transaction: once in the end, whatever was lost on the way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from exec_tracker import StorageError
from tests.support.database import eventually
from tests.support.executors import options
from tests.transactional.hosts import open_host, writing

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from tests.support.database import Database
    from tests.support.fixtures import Background
    from tests.transactional.conftest import Ledger
    from tests.transactional.hosts import Host

OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def backend_of(session: Session) -> Any:
    return session.scalar(text("SELECT pg_backend_pid()"))


@pytest.mark.parametrize("when", ["before it writes", "after it wrote"])
def test_a_connection_killed_before_the_commit_is_replaced_and_the_work_done_once(
    host: Host, user_id: UUID, ledger: Ledger, database: Database, when: str
) -> None:
    killed: list[Any] = []

    def kill_once(session: Session) -> None:
        if not killed:
            killed.append(backend_of(session))
            database.all("SELECT pg_terminate_backend(%s)", killed[0])
            time.sleep(0.1)

    def work(session: Session) -> Any:
        if when == "before it writes":
            kill_once(session)
        result = writing("a")(session)
        if when == "after it wrote":
            kill_once(session)
        return result

    assert host.execute_in_transaction(options("k", user_id), work) == "done"
    assert ledger.notes == {"a"}
    row = database.row("k")
    assert (row["status"], row["attempt"], row["result"]) == ("completed", 1, "done")


# psycopg 3 raises the first of these at times and takes the connection for a live one, until it is
# used again; then SQLAlchemy does not know either that it is gone.
AS_RAISED = {
    "unrecognised": OperationalError("SELECT 1", {}, Exception("connection socket closed")),
    "the function's own": LookupError("the ledger did not answer"),
}


@pytest.mark.parametrize("name", AS_RAISED)
def test_a_connection_is_known_to_be_gone_whatever_the_function_raises_then(
    host: Host, user_id: UUID, ledger: Ledger, database: Database, name: str
) -> None:
    killed: list[Any] = []

    def work(session: Session) -> Any:
        result = writing("a")(session)
        if not killed:
            killed.append(backend_of(session))
            database.all("SELECT pg_terminate_backend(%s)", killed[0])
            time.sleep(0.1)
            raise AS_RAISED[name]
        return result

    assert host.execute_in_transaction(options("k", user_id), work) == "done"
    assert ledger.notes == {"a"}
    row = database.row("k")
    assert (row["status"], row["attempt"], row["result"]) == ("completed", 1, "done")


def test_a_connection_to_another_database_that_is_lost_fails_the_function_as_any_error_does(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    elsewhere = create_engine(make_url(database.url).set(drivername="postgresql+psycopg2"))
    calls: list[str] = []

    def work(session: Session) -> Any:
        calls.append("called")
        writing("a")(session)
        with elsewhere.connect() as connection:
            backend = connection.scalar(text("SELECT pg_backend_pid()"))
            database.all("SELECT pg_terminate_backend(%s)", backend)
            time.sleep(0.1)
            connection.execute(text("SELECT 1"))

    with pytest.raises(DBAPIError, match=r"(?i)terminat") as raised:
        host.execute_in_transaction(options("k", user_id), work)
    elsewhere.dispose()
    assert raised.value.connection_invalidated
    assert (calls, ledger.notes) == (["called"], set())
    assert (database.row("k")["status"], database.row("k")["attempt"]) == ("failed", 1)


def test_a_connection_killed_during_the_commit_is_replaced_and_the_work_done_once(
    host: Host, user_id: UUID, ledger: Ledger, database: Database, background: Background
) -> None:
    ledger.sleep_at_commit(30)
    first = background(host.execute_in_transaction, options("k", user_id), writing("a"))
    napping = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event = 'PgSleep'"
    )
    (backend,) = eventually(lambda: database.all(napping))
    ledger.wake_at_commit()
    database.all("SELECT pg_terminate_backend(%s)", backend["pid"])
    assert first.result(20) == "done"
    assert ledger.notes == {"a"}
    assert (database.row("k")["status"], database.row("k")["attempt"]) == ("completed", 1)


def test_a_connection_lost_in_the_hosts_session_is_the_hosts_to_handle(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    with host.session() as session:
        session.write("mine")
        backend = session.run(backend_of)
        database.all("SELECT pg_terminate_backend(%s)", backend)
        time.sleep(0.1)
        with pytest.raises(Exception, match=r"(?i)connection|terminat"):
            session.execute_in_transaction(options("k", user_id), writing("a"))
        session.rollback()
        assert session.execute_in_transaction(options("k", user_id), writing("b")) == "done"
        session.commit()
    assert ledger.notes == {"b"}


def test_all_connections_of_the_pool_may_be_dead(
    host: Host, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    for key in ("1", "2"):
        assert host.execute_in_transaction(options(key, user_id), writing(key)) == "done"
        database.all(OTHERS)
        time.sleep(0.1)
    assert ledger.notes == {"1", "2"}


def test_a_database_that_cannot_be_reached_is_a_storage_error(
    user_id: UUID, ledger: Ledger, host_driver: str, database: Database
) -> None:
    with (
        open_host(host_driver, "postgresql://nobody@127.0.0.1:1/none") as host,
        pytest.raises(StorageError, match="cannot be reached"),
    ):
        host.execute_in_transaction(options("k", user_id), writing("a"))

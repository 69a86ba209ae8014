"""A duplicate waits for the first one's transaction, for a bounded time, and adopts its end."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import ExecutionInProgressError
from tests.support.database import eventually
from tests.support.executors import Held, options
from tests.transactional.hosts import writing

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from tests.support.database import Database
    from tests.support.fixtures import Background
    from tests.transactional.conftest import Ledger, NewHost
    from tests.transactional.hosts import Host

WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
SHORT = timedelta(milliseconds=300)


def test_a_duplicate_gets_the_result_once_the_first_commits(
    host: Host, user_id: UUID, ledger: Ledger, database: Database, background: Background
) -> None:
    with host.session() as first:
        first.execute_in_transaction(options("k", user_id), writing("a", result="first"))
        second = background(
            host.execute_in_transaction, options("k", user_id), writing("b", result="second")
        )
        eventually(lambda: database.value(WAITING) == 1)
        first.commit()
    assert second.result(10) == "first"
    assert ledger.notes == {"a"}


def test_a_duplicate_runs_once_the_first_rolls_back(
    host: Host, user_id: UUID, ledger: Ledger, database: Database, background: Background
) -> None:
    with host.session() as first:
        first.execute_in_transaction(options("k", user_id), writing("a", result="first"))
        second = background(
            host.execute_in_transaction, options("k", user_id), writing("b", result="second")
        )
        eventually(lambda: database.value(WAITING) == 1)
        first.rollback()
    assert second.result(10) == "second"
    assert ledger.notes == {"b"}


def test_a_duplicate_retries_once_the_first_has_committed_its_failure(
    host: Host, user_id: UUID, ledger: Ledger, database: Database, background: Background
) -> None:
    with host.session() as first:
        with pytest.raises(LookupError):
            first.execute_in_transaction(options("k", user_id), writing(raises=LookupError()))
        second = background(host.execute_in_transaction, options("k", user_id), writing("b"))
        eventually(lambda: database.value(WAITING) == 1)
        first.commit()
    assert second.result(10) == "done"
    assert (ledger.notes, database.row("k")["attempt"]) == ({"b"}, 2)


def test_a_duplicate_waits_at_most_its_wait_timeout(
    host: Host, user_id: UUID, ledger: Ledger
) -> None:
    with host.session() as first:
        first.execute_in_transaction(options("k", user_id), writing("a"))
        began = time.monotonic()
        with pytest.raises(ExecutionInProgressError) as caught:
            host.execute_in_transaction(options("k", user_id), writing("b"), wait_timeout=SHORT)
        assert 0.25 <= time.monotonic() - began < 2
        assert caught.value.retry_after is not None
        first.commit()
    assert ledger.notes == {"a"}


def test_an_external_call_meets_a_transaction_that_holds_its_key(
    host: Host, user_id: UUID, ledger: Ledger
) -> None:
    with host.session() as first:
        first.execute_in_transaction(options("k", user_id), writing("a", result="inside"))
        began = time.monotonic()
        with pytest.raises(ExecutionInProgressError):
            host.call("execute", options("k", user_id), lambda: 1)
        assert time.monotonic() - began < 5
        first.commit()
    assert host.call("execute_idempotent", options("k", user_id), lambda: 1) == "inside"


@pytest.mark.parametrize("lease", [None, timedelta(minutes=1)], ids=["no lease", "leased"])
def test_a_key_that_an_external_execution_holds_is_refused_at_once(
    host: Host, user_id: UUID, ledger: Ledger, background: Background, lease: timedelta | None
) -> None:
    executor = Held()
    running = background(host.call, "execute", options("k", user_id), executor, lease=lease)
    executor.wait_until_begun()
    began = time.monotonic()
    with pytest.raises(ExecutionInProgressError):
        host.execute_in_transaction(options("k", user_id), writing("a"))
    with host.session() as session, pytest.raises(ExecutionInProgressError):
        session.execute_in_transaction(options("k", user_id), writing("a"))
    assert time.monotonic() - began < 2
    executor.release()
    running.result(10)
    assert ledger.notes == set()


def test_eight_callers_of_one_key_write_once_and_all_get_the_result(
    new_host: NewHost, user_id: UUID, ledger: Ledger, background: Background, database: Database
) -> None:
    host = new_host(pool_size=8)
    ready = threading.Barrier(8)
    runs: list[int] = []

    def call(number: int) -> Any:
        def work(session: Session) -> Any:
            runs.append(number)
            time.sleep(0.05)
            return writing("a", result=number)(session)

        ready.wait(10)
        return host.execute_in_transaction(options("k", user_id), work)

    results = {one.result(30) for one in [background(call, number) for number in range(8)]}
    assert (len(runs), results, ledger.notes) == (1, set(runs), {"a"})
    assert database.row("k")["attempt"] == 1

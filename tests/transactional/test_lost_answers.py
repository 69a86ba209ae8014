"""The server committed, and nobody heard: the repetition meets its own outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import DBAPIError

from tests.support.executors import options
from tests.transactional.cutting import relayed
from tests.transactional.hosts import open_host, writing

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from tests.support.database import Database
    from tests.transactional.conftest import Ledger


def test_a_commit_whose_answer_is_lost_is_not_repeated_and_gives_its_result(
    host_driver: str, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    runs: list[int] = []

    def work(session: Session) -> Any:
        runs.append(1)
        return writing("a", result=7)(session)

    with relayed(database.url) as relay, open_host(host_driver, relay.url) as host:
        host.execute_in_transaction(options("before", user_id), writing())
        relay.lose_the_next_answer_to_a_commit()
        assert host.execute_in_transaction(options("k", user_id), work) == 7
    assert (relay.cuts, len(runs), ledger.notes) == (1, 1, {"a"})
    assert (database.row("k")["status"], database.row("k")["attempt"]) == ("completed", 1)


def test_a_recorded_failure_whose_answer_is_lost_still_reaches_the_caller_unchanged(
    host_driver: str, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    error = LookupError("no such card")
    with relayed(database.url) as relay, open_host(host_driver, relay.url) as host:
        host.execute_in_transaction(options("before", user_id), writing())
        relay.lose_the_next_answer_to_a_commit()
        with pytest.raises(LookupError) as caught:
            host.execute_in_transaction(options("k", user_id), writing("a", raises=error))
        assert caught.value is error
    assert (relay.cuts, ledger.notes) == (1, set())
    assert database.row("k")["status"] == "failed"


def test_a_host_whose_commit_was_lost_asks_again_and_gets_the_outcome(
    host_driver: str, user_id: UUID, ledger: Ledger, database: Database
) -> None:
    with relayed(database.url) as relay, open_host(host_driver, relay.url) as host:
        with host.session() as session:
            session.execute_in_transaction(options("k", user_id), writing("a", result="first"))
            relay.lose_the_next_answer_to_a_commit()
            with pytest.raises(DBAPIError):
                session.commit()
        with host.session() as session:
            work = writing("b", result="second")
            assert session.execute_in_transaction(options("k", user_id), work) == "first"
            session.commit()
    assert (relay.cuts, ledger.notes) == (1, {"a"})

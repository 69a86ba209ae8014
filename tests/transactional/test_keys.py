"""What stands under a key decides whether the function runs in its transaction."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from exec_tracker import (
    ConfigurationError,
    ExecutionInProgressError,
    IdempotencyKeyReusedError,
    ResultErasedError,
    UnknownUserError,
)
from tests.support.executors import options
from tests.transactional.hosts import SYNC, writing

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.support.database import Database
    from tests.transactional.conftest import Ledger
    from tests.transactional.hosts import Host


@pytest.mark.parametrize(
    ("more", "differs"),
    [({"workflow_id": "x"}, "workflow_id"), ({"parameters": {"a": 2}}, "parameters")],
)
def test_a_key_of_another_request_is_refused(
    host: Host, user_id: UUID, ledger: Ledger, more: dict[str, Any], differs: str
) -> None:
    asked = {"parameters": {"a": 1}}
    host.execute_in_transaction(options("k", user_id, **asked), writing("a"))
    with pytest.raises(IdempotencyKeyReusedError) as caught:
        host.execute_in_transaction(options("k", user_id, **asked | more), writing("b"))
    assert caught.value.differs == differs
    assert ledger.notes == {"a"}


def test_a_key_of_another_user_is_refused_and_nothing_is_told(
    host: Host, user_id: UUID, other_user_id: UUID, ledger: Ledger
) -> None:
    host.execute_in_transaction(options("k", user_id), writing("a", result="secret"))
    with pytest.raises(IdempotencyKeyReusedError) as caught:
        host.execute_in_transaction(options("k", other_user_id), writing("b"))
    assert caught.value.differs is None
    assert "secret" not in str(caught.value)
    assert ledger.notes == {"a"}


def test_an_unknown_user_is_refused_and_nothing_is_written(
    host: Host, user_id: UUID, ledger: Ledger
) -> None:
    with pytest.raises(UnknownUserError):
        host.execute_in_transaction(options("k", UUID(int=7)), writing("a"))
    assert ledger.notes == set()


def test_an_erased_result_is_not_run_again(host: Host, user_id: UUID, ledger: Ledger) -> None:
    host.execute_in_transaction(options("k", user_id), writing("a"))
    host.call("erase", "k")
    with pytest.raises(ResultErasedError):
        host.execute_in_transaction(options("k", user_id), writing("b"))
    assert ledger.notes == {"a"}


def test_first_call_and_replay_give_the_same_type(host: Host, user_id: UUID) -> None:
    for _ in range(2):
        paid = host.execute_in_transaction(
            options("k", user_id), writing(result=Decimal("1.10")), result_type=Decimal
        )
        assert (type(paid), str(paid)) == (Decimal, "1.10")


def test_an_execution_of_the_external_mode_is_replayed_and_the_other_way_round(
    host: Host, user_id: UUID, ledger: Ledger
) -> None:
    host.call("execute_idempotent", options("1", user_id), lambda: "outside")
    assert host.execute_in_transaction(options("1", user_id), writing("a")) == "outside"
    host.execute_in_transaction(options("2", user_id), writing("b", result="inside"))
    assert host.call("execute_idempotent", options("2", user_id), lambda: "x") == "inside"
    assert ledger.notes == {"b"}


def test_a_pending_execution_is_run(host: Host, user_id: UUID, database: Database) -> None:
    host.call("create_execution", options("k", user_id))
    assert host.execute_in_transaction(options("k", user_id), writing("a")) == "done"
    assert (database.row("k")["status"], database.row("k")["attempt"]) == ("completed", 1)


@pytest.mark.parametrize("host_driver", SYNC)  # a blocking call cannot nest in a loop's thread
@pytest.mark.parametrize(
    ("verb", "executors"),
    [("execute_in_transaction", [writing("a")]), ("execute", [lambda: 1]), ("claim", [])],
)
def test_a_key_inside_itself_is_refused_at_once_in_every_mode(
    host: Host, user_id: UUID, ledger: Ledger, verb: str, executors: list[Any]
) -> None:
    {
        "execute_in_transaction": [writing()],
        "execute": [lambda: 1],
        "claim": [],
    }

    def work(_session: Session) -> Any:
        return host.call(verb, options("k", user_id), *executors)

    began = time.monotonic()
    with pytest.raises(ExecutionInProgressError, match="itself"):
        host.execute_in_transaction(options("k", user_id), work)
    assert time.monotonic() - began < 2
    assert ledger.notes == set()


@pytest.mark.parametrize("host_driver", [*SYNC, "async-psycopg3"])  # these pass it on as it is
@pytest.mark.parametrize("executor", [lambda: 1, lambda _a, _b: 1, lambda *, session: session, 7])
def test_an_executor_takes_exactly_the_session(
    host: Host, user_id: UUID, executor: Any, database: Database
) -> None:
    with pytest.raises(ConfigurationError):
        host.execute_in_transaction(options("k", user_id), executor)
    assert database.all("SELECT * FROM workflow_executions") == []

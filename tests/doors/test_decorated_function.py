"""What a decorated function still is: its types, its name, its signature, its errors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from functools import wraps
from inspect import signature, unwrap
from typing import TYPE_CHECKING, Any
from uuid import UUID  # in the annotations of decorated functions

import pytest

from exec_tracker import (
    ConfigurationError,
    ExecutionFailedError,
    ExecutionTracker,
    InvalidIdempotencyKeyError,
    KeyScope,
)

if TYPE_CHECKING:
    from tests.doors.handles import Idempotent
    from tests.support.database import Database


@dataclass
class Receipt:
    order: str
    amount: Decimal


def keys(database: Database) -> list[str]:
    return [row["id"] for row in database.all("SELECT id FROM workflow_executions ORDER BY id")]


def test_results_keep_the_annotated_type_on_replay(idempotent: Idempotent) -> None:
    @idempotent(key="{order}")
    def pay(order: str, amount: str) -> Receipt:
        return Receipt(order, Decimal(amount))

    assert [pay("o1", "1.10"), pay("o1", "1.10")] == [Receipt("o1", Decimal("1.10"))] * 2


def test_a_result_type_that_is_given_wins(idempotent: Idempotent) -> None:
    @idempotent(key="{order}", result_type=Decimal)
    def pay(order: str) -> Any:
        return Decimal("1.10")

    assert [type(pay("o1")), type(pay("o1"))] == [Decimal, Decimal]


def test_settings_of_the_decorator_are_those_of_the_calls(idempotent: Idempotent) -> None:
    @idempotent(key="{order}", on_failed="raise")
    def pay(order: str) -> str:
        raise LookupError("declined")

    with pytest.raises(LookupError):
        pay("o1")
    with pytest.raises(ExecutionFailedError, match="declined"):
        pay("o1")


def test_the_function_looks_like_itself(idempotent: Idempotent) -> None:
    def pay(order: str, amount: int = 1) -> str:
        """Pay an order."""
        return order

    decorated = idempotent(key="{order}")(pay)
    assert (decorated.__name__, decorated.__doc__) == ("pay", "Pay an order.")
    assert unwrap(decorated) is pay
    assert signature(decorated) == signature(pay)


def test_a_user_scope_keeps_users_apart(
    tracker: ExecutionTracker, user_id: UUID, other_user_id: UUID
) -> None:
    @tracker.idempotent(
        key="k", workflow_id="w", user_id="{owner}", key_scope=KeyScope.USER, parameters=()
    )
    def whose(owner: UUID) -> str:
        return str(owner)

    assert [whose(user_id), whose(other_user_id)] == [str(user_id), str(other_user_id)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "{invoice}"},
        {"key": "{order.id}:{invoice[0]}"},
        {"key": "k", "parameters": ["invoice"]},
        {"key": "k", "user_id": "{invoice}"},
        {"key": "{}"},
        {"key": "{0}"},
        {"key": "{order"},
    ],
    ids=str,
)
def test_what_names_no_argument_is_refused_when_decorating(
    tracker: ExecutionTracker, user_id: UUID, wrong: dict[str, Any]
) -> None:
    def pay(order: str) -> str:
        return order

    with pytest.raises(ConfigurationError):
        tracker.idempotent(**{"workflow_id": "w", "user_id": user_id, **wrong})(pay)


def test_a_plain_function_around_a_coroutine_is_a_plain_function(idempotent: Idempotent) -> None:
    async def work(order: str) -> str:
        return order

    @idempotent(key="{order}")
    @wraps(work)
    def pay(order: str) -> str:
        return asyncio.run(work(order))

    assert pay("o1") == pay("o1") == "o1"


def test_an_async_function_is_refused_by_the_sync_tracker(idempotent: Idempotent) -> None:
    async def pay(order: str) -> str:
        return order

    with pytest.raises(ConfigurationError, match="AsyncExecutionTracker"):
        idempotent(key="{order}")(pay)


def test_wrong_arguments_are_a_type_error_as_without_the_decorator(
    idempotent: Idempotent, database: Database
) -> None:
    @idempotent(key="{order}")
    def pay(order: str) -> str:
        return order

    with pytest.raises(TypeError):
        pay()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        pay("o1", 2)  # type: ignore[call-arg]
    with pytest.raises((InvalidIdempotencyKeyError, ValueError)):
        pay("")
    assert keys(database) == []


def test_arguments_with_one_way_to_be_written_are_parameters_as_they_are(
    idempotent: Idempotent, database: Database
) -> None:
    order = UUID("00000000-0000-0000-0000-000000000001")

    @idempotent(key="{order}")
    def pay(order: UUID, receipt: Receipt, tags: set[str]) -> int:
        return 1

    assert pay(order, Receipt("o", Decimal("1.50")), {"b", "a", "c"}) == 1
    assert pay(order, Receipt("o", Decimal("1.50")), {"c", "b", "a"}) == 1
    assert database.row(str(order))["parameters"] == {
        "order": str(order),
        "receipt": {"order": "o", "amount": "1.50"},
        "tags": ["a", "b", "c"],
    }


def test_an_argument_that_is_no_json_is_refused_before_the_claim(
    idempotent: Idempotent, database: Database
) -> None:
    @idempotent(key="{order}")
    def pay(order: str, connection: object) -> int:
        return 1

    with pytest.raises(ConfigurationError, match=r"'connection'.*parameters="):
        pay("o1", object())
    assert keys(database) == []

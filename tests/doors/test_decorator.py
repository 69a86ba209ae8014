"""The decorator: key, user and parameters follow from a call's arguments, however it is written."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID  # noqa: TC003 # in the annotations of decorated functions

import pytest

from exec_tracker import (
    ExecutionTracker,
    IdempotencyKeyReusedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.doors.handles import Idempotent
    from tests.support.database import Database


@dataclass
class Receipt:
    order: str
    amount: Decimal


def keys(database: Database) -> list[str]:
    return [row["id"] for row in database.all("SELECT id FROM workflow_executions ORDER BY id")]


def test_a_template_makes_the_key_of_the_arguments(
    idempotent: Idempotent, database: Database
) -> None:
    calls: list[str] = []

    @idempotent(key="invoice:{invoice_id}:{currency}")
    def pay(invoice_id: str, currency: str = "EUR") -> str:
        calls.append(invoice_id)
        return f"{invoice_id} paid in {currency}"

    assert pay("7") == pay("7") == "7 paid in EUR"
    assert pay("8", "USD") == "8 paid in USD"
    assert (calls, keys(database)) == (["7", "8"], ["invoice:7:EUR", "invoice:8:USD"])


def test_defaults_and_keyword_order_make_no_difference(
    idempotent: Idempotent, database: Database
) -> None:
    @idempotent(key="k:{a}:{b}")
    def run(a: int, b: int = 2, *, note: str = "") -> int:
        return a + b

    calls: list[Callable[[], int]] = [
        lambda: run(1),
        lambda: run(1, 2),
        lambda: run(b=2, a=1),
        lambda: run(1, note=""),
        lambda: run(note="", b=2, a=1),
    ]
    assert [call() for call in calls] == [3] * 5
    assert keys(database) == ["k:1:2"]


def test_a_callable_makes_the_key_of_the_arguments_by_name(
    idempotent: Idempotent, database: Database
) -> None:
    @idempotent(key=lambda order, **_: order["id"], parameters=["order"])
    def run(order: dict[str, Any], tries: int = 0) -> int:
        return 1

    run({"id": "o1"}, tries=3)
    assert keys(database) == ["o1"]


def test_templates_reach_into_attributes_and_items(
    idempotent: Idempotent, database: Database
) -> None:
    @idempotent(key="{receipt.order}:{row[id]}", parameters=["row"])
    def run(receipt: Receipt, row: dict[str, int]) -> int:
        return 1

    run(Receipt("o1", Decimal(1)), {"id": 7})
    assert keys(database) == ["o1:7"]


def test_the_user_may_follow_from_the_arguments(
    tracker: ExecutionTracker, user_id: UUID, database: Database
) -> None:
    @tracker.idempotent(key="{n}", workflow_id="w", user_id="{owner}", parameters=["n"])
    def by_template(n: int, owner: UUID) -> int:
        return n

    @tracker.idempotent(key="{n}", workflow_id="w", user_id=lambda owner, **_: owner)
    def by_callable(n: int, owner: str) -> int:
        return n

    by_template(1, user_id)
    by_callable(2, str(user_id))
    assert {row["user_id"] for row in database.all("SELECT user_id FROM workflow_executions")} == {
        str(user_id)
    }


def test_all_arguments_are_parameters_unless_told_and_others_are_refused(
    idempotent: Idempotent, database: Database
) -> None:
    @idempotent(key="{order}")
    def pay(order: str, amount: int) -> int:
        return amount

    assert pay("o1", 5) == 5
    assert database.row("o1")["parameters"] == {"order": "o1", "amount": 5}
    with pytest.raises(IdempotencyKeyReusedError, match="parameters"):
        pay("o1", 6)


def test_chosen_parameters_alone_identify_the_request(
    idempotent: Idempotent, database: Database
) -> None:
    @idempotent(key="{order}", parameters=["order"])
    def by_name(order: str, attempt: int) -> int:
        return attempt

    @idempotent(key="c{order}", parameters=lambda order, **_: {"upper": order.upper()})
    def by_callable(order: str, attempt: int) -> int:
        return attempt

    assert [by_name("o1", 1), by_name("o1", 2)] == [1, 1]
    assert [by_callable("o1", 1), by_callable("o1", 2)] == [1, 1]
    assert database.row("o1")["parameters"] == {"order": "o1"}
    assert database.row("co1")["parameters"] == {"upper": "O1"}


def test_methods_do_not_count_their_object(idempotent: Idempotent, database: Database) -> None:
    class Till:
        def __init__(self, name: str) -> None:
            self.name = name

        @idempotent(key="{order}")
        def pay(self, order: str) -> str:
            return f"{self.name}: {order}"

        @classmethod
        @idempotent(key="class:{order}")
        def refund(cls, order: str) -> str:
            return f"{cls.__name__}: {order}"

        @staticmethod
        @idempotent(key="static:{order}")
        def void(order: str) -> str:
            return order

    assert [Till("a").pay("o1"), Till("b").pay("o1")] == ["a: o1", "a: o1"]
    assert [Till.refund("o1"), Till.void("o1")] == ["Till: o1", "o1"]
    assert database.row("o1")["parameters"] == {"order": "o1"}
    assert database.row("class:o1")["parameters"] == {"order": "o1"}


def test_extra_arguments_are_parameters_too(idempotent: Idempotent, database: Database) -> None:
    @idempotent(key="{name}")
    def run(name: str, *items: int, **more: int) -> int:
        return sum(items) + sum(more.values())

    assert run("k", 1, 2, three=3) == 6
    assert database.row("k")["parameters"] == {"name": "k", "items": [1, 2], "more": {"three": 3}}

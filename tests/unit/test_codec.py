"""Results as JSON that PostgreSQL keeps, and back."""

from __future__ import annotations

import functools
import json
from collections.abc import Awaitable, Callable  # noqa: TC003 # read by the codec
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from exec_tracker import ConfigurationError, ResultNotStorableError
from exec_tracker.codec import UnstorableValueError, codec_for, storable_json
from tests.support.results import TYPED

if TYPE_CHECKING:
    from nowhere import OnlyForTypeCheckers  # type: ignore[import-not-found] # that is the point


def codec(kind: Any) -> Any:
    return codec_for(lambda: None, kind)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=15,
)


@settings(max_examples=40)
@given(JSON)
def test_plain_json_survives(value: Any) -> None:
    assert json.loads(storable_json(value)) == value


@pytest.mark.parametrize("name", TYPED)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_typed_values_survive(name: str, data: st.DataObject) -> None:
    kind, values = TYPED[name]
    value = data.draw(values)
    one = codec(type(None) if kind is None else kind)
    back = one.decode(one.encode(value))
    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        [float("inf")],
        "\0",
        {"a\0": 1},
        ["\ud800"],
        {"\udfff": 1},
        {1: "a", "1": "b"},
        {"a": [{None: 1, "null": 2}]},
        {1, 2},
        b"",
        object(),
        Decimal(1),
        {(1, 2): 3},
        pytest.param(10**5000, id="an integer of more digits than Python writes"),
    ],
)
def test_what_json_or_the_server_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(UnstorableValueError):
        storable_json(value)


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert json.loads(storable_json("\\u0000")) == "\\u0000"


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(UnstorableValueError):
        storable_json(value)


def test_size_is_counted_in_bytes() -> None:
    assert storable_json("é", max_bytes=4) == '"é"'
    with pytest.raises(UnstorableValueError, match="4 bytes as JSON, more than the 3"):
        storable_json("é", max_bytes=3)


class Aliased(BaseModel):
    name: str = Field(alias="fullName")


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    name: str = Field(alias="fullName", serialization_alias="other")


class Bytes(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    raw: bytes


class Cached(BaseModel):
    name: str
    _seen: int = PrivateAttr(default=0)


@dataclass
class Node:
    value: int
    next: Node | None = None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Aliased, Aliased(fullName="a")),
        (ByName, ByName(name="a")),
        (Bytes, Bytes(raw=b"\xff\0")),
        (bytes, b"\xff\0"),
        (Node, Node(1, Node(2))),
        (list[Aliased | Node], [Node(1), Aliased(fullName="a")]),
    ],
)
def test_awkward_types_survive(kind: Any, value: Any) -> None:
    one = codec(kind)
    assert one.decode(one.encode(value)) == value


class WriteOnly(BaseModel):
    secret: str = Field(exclude=True)


def test_a_type_that_does_not_read_back_equal_is_refused_when_it_is_written() -> None:
    with pytest.raises(ResultNotStorableError, match="WriteOnly") as caught:
        codec(WriteOnly).encode(WriteOnly(secret="x"))
    assert caught.value.result == WriteOnly(secret="x")


def test_reading_what_does_not_fit_names_the_type_and_says_nothing_was_run() -> None:
    with pytest.raises(ConfigurationError, match=r"Aliased.*not run again"):
        codec(Aliased).decode("{}")


def test_no_text_at_all_reads_as_none() -> None:
    assert codec_for(lambda: None).decode(None) is None
    assert codec(int | None).decode(None) is None


def unannotated():  # type: ignore[no-untyped-def] # noqa: ANN201 # that is the point
    return 1


def only_for_type_checkers(context: OnlyForTypeCheckers) -> Decimal:
    return Decimal(context)


def unresolvable() -> OnlyForTypeCheckers:
    return None


async def coroutine() -> Decimal:
    return Decimal(1)


def promises() -> Awaitable[Decimal]:
    return coroutine()


def never() -> NoReturn:
    raise LookupError


class Callable_:  # noqa: N801 # a stand-in for any callable object
    def __call__(self) -> Decimal:
        return Decimal(1)

    def method(self) -> Decimal:
        return Decimal(1)


@pytest.mark.parametrize(
    "function",
    [
        only_for_type_checkers,
        coroutine,
        promises,
        Callable_(),
        Callable_().method,
        functools.partial(only_for_type_checkers, 1),
    ],
)
def test_the_annotation_tells_the_type(function: Callable[..., Any]) -> None:
    assert codec_for(function).decode('"1.50"') == Decimal("1.50")


@pytest.mark.parametrize("function", [unannotated, lambda: 1, dict])
def test_without_annotation_results_are_plain_json(function: Callable[..., Any]) -> None:
    assert codec_for(function).decode('{"a": 1}') == {"a": 1}


def test_an_annotation_that_cannot_be_resolved_asks_for_a_type() -> None:
    with pytest.raises(ConfigurationError, match="result_type="):
        codec_for(unresolvable)
    assert codec_for(unresolvable, int).decode("1") == 1


def test_a_function_that_never_returns_can_be_run() -> None:
    codec_for(never)


def test_a_type_that_pydantic_does_not_know_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigurationError, match="Callable_"):
        codec(Callable_)

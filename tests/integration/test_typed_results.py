"""The first call returns what a replay returns: the same type, an equal value."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exec_tracker import ResultNotStorableError
from tests.support.executors import Calls, options
from tests.support.results import TEXT, TYPED, Line, Visit

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from tests.support.subjects import Subject

KEYS = count()

round_trip = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def same(left: Any, right: Any) -> bool:
    if type(left) is not type(right) or left != right:
        return False
    if isinstance(left, dict):
        return all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return all(same(one, other) for one, other in zip(left, right, strict=True))
    return True


@pytest.mark.parametrize("name", TYPED)
@round_trip
@given(data=st.data())
def test_a_typed_result_is_replayed_equal_and_of_the_same_type(
    subject: Subject, user_id: UUID, name: str, data: st.DataObject
) -> None:
    kind, values = TYPED[name]
    value = data.draw(values)
    asked, calls = options(f"k{next(KEYS)}", user_id), Calls(value)
    result_type = type(None) if kind is None else kind
    first = subject.execute_idempotent(asked, calls, result_type=result_type)
    again = subject.execute_idempotent(asked, calls, result_type=result_type)
    assert same(first, again)
    assert same(first, value)
    assert calls.count == 1


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | TEXT
    | st.floats(min_value=-1e15, max_value=1e15, allow_nan=False)
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20
)


@settings(round_trip, max_examples=60)
@given(value=JSON)
def test_plain_json_is_replayed_equal_as_result_and_as_parameters(
    subject: Subject, user_id: UUID, value: Any
) -> None:
    asked = options(f"k{next(KEYS)}", user_id, parameters={"value": value})
    first = subject.execute(asked, Calls(value))
    again = subject.execute(asked, Calls())
    assert same(first.data, again.data)
    assert first.data == value
    assert again.cached
    assert again.execution.parameters == {"value": value}


@pytest.mark.parametrize(
    ("returned", "replayed"),
    [((1, (2,)), [1, [2]]), ({1: "a", None: "b"}, {"1": "a", "null": "b"}), (1e22, 10**22)],
)
def test_what_json_changes_is_changed_at_the_first_call_already(
    subject: Subject, user_id: UUID, returned: Any, replayed: Any
) -> None:
    first = subject.execute_idempotent(options("k", user_id), Calls(returned))
    again = subject.execute_idempotent(options("k", user_id), Calls())
    assert same(first, replayed)
    assert same(again, replayed)


def test_json_in_a_string_is_not_decoded_twice(subject: Subject, user_id: UUID) -> None:
    for value in ('{"a": 1}', "null", '"', "1"):
        asked = options(f"k{value}", user_id)
        assert subject.execute_idempotent(asked, Calls(value)) == value
        assert subject.execute_idempotent(asked, Calls()) == value


def annotated_model() -> Line:
    return Line(name="a", amount=Decimal("1.10"))


def annotated_none() -> None:
    return None


def annotated_optional() -> Line | None:
    return None


@pytest.mark.parametrize("function", [annotated_model, annotated_none, annotated_optional])
def test_the_return_annotation_is_the_type_of_the_result(
    subject: Subject, user_id: UUID, function: Callable[[], Any]
) -> None:
    first = subject.execute_idempotent(options("k", user_id), function)
    assert same(first, function())
    assert same(subject.execute_idempotent(options("k", user_id), function), first)


def test_an_explicit_type_wins_over_the_annotation(subject: Subject, user_id: UUID) -> None:
    def annotated() -> int:
        return 1

    asked = options("k", user_id)
    first = subject.execute_idempotent(asked, annotated, result_type=Decimal)
    assert same(first, Decimal(1))


@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_that_the_clocks_repeat_is_a_result_like_any_other(
    subject: Subject, user_id: UUID, fold: int
) -> None:
    # Python finds such a time unequal to the same moment in any other zone (PEP 495).
    at = datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=ZoneInfo("Europe/Berlin"))
    line, visit = Line(name="a", amount=Decimal(1), at=at), Visit(at)
    kind = dict[str, list[Line | Visit]]
    asked = options("k", user_id)
    first = subject.execute_idempotent(asked, Calls({"a": [line, visit]}), result_type=kind)
    again = subject.execute_idempotent(asked, Calls(), result_type=kind)
    assert same(first, again)
    assert [one.at.timestamp() for one in again["a"]] == [at.timestamp()] * 2


def test_a_time_that_text_cannot_hold_is_refused(subject: Subject, user_id: UUID) -> None:
    at = datetime(1900, 1, 1, tzinfo=ZoneInfo("Africa/Monrovia"))  # -0:43:08
    with pytest.raises(ResultNotStorableError, match="equal datetime"):
        subject.execute(options("k", user_id), Calls(at), result_type=datetime)

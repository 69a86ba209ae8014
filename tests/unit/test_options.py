"""What identifies a request is checked and copied when it is said."""

from __future__ import annotations

import pickle
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from exec_tracker import ExecuteOptions, ExecutionActor, InvalidIdempotencyKeyError, KeyScope
from exec_tracker.types import check_execution_id
from tests.support.executors import options

USER = uuid4()
BAD_NAMES = ["", " ", "\t\n", "a\0b", "a\nb", "\x7f", "\x85", "x" * 256, "\ud800", None, 7]


@pytest.mark.parametrize("bad", BAD_NAMES)
@pytest.mark.parametrize("field", ["idempotency_key", "workflow_id"])
def test_a_name_is_text_that_is_not_blank_nor_long(field: str, bad: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        options("k", USER, **{field: bad})
    assert "input_value" not in str(caught.value)
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("good", ["k", "x" * 255, "é" * 255, " a ", "order:7/charge", "👩‍👩‍👧"])
def test_any_printable_key_is_taken_as_it_is(good: str) -> None:
    assert options(good, USER).execution_id == good
    assert check_execution_id(good) == good


@pytest.mark.parametrize("bad", [None, "", "me", 7, "not-a-uuid"])
def test_a_user_id_that_is_no_uuid_is_refused(bad: Any) -> None:
    with pytest.raises(ValidationError, match="user_id"):
        options("k", bad)


def test_a_user_id_may_be_text() -> None:
    assert options("k", str(USER)).user_id == USER


@pytest.mark.parametrize(
    "bad",
    [
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": "\0"},
        {"a": "\ud800"},
        {"a": object()},
        {"a": {1, 2}},
        {"a": b""},
        {"a": {1: "x", "1": "y"}},
        [1],
        "text",
    ],
)
def test_parameters_that_are_not_json_are_refused(bad: Any) -> None:
    with pytest.raises(ValidationError, match="parameters"):
        options("k", USER, parameters=bad)


@pytest.mark.parametrize("bad", [{"actor": "robot"}, {"key_scope": "tenant"}, {"priority": 1}])
def test_other_words_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        options("k", USER, **bad)


def test_parameters_are_copied_when_they_are_given() -> None:
    given: dict[str, Any] = {"a": [1, {"b": 2}]}
    asked = options("k", USER, parameters=given)
    canonical, stored = asked.canonical, asked.parameters_json
    given["a"][1]["b"] = 3
    given["more"] = 1
    assert asked.parameters == {"a": [1, {"b": 2}]}
    assert (asked.canonical, asked.parameters_json) == (canonical, stored)


def test_options_cannot_be_changed() -> None:
    asked = options("k", USER)
    with pytest.raises(ValidationError, match="frozen"):
        asked.idempotency_key = "l"  # type: ignore[misc] # the point


def test_a_changed_copy_is_another_request() -> None:
    asked = options("k", USER, parameters={"amount": 1})
    changed = asked.model_copy(update={"parameters": {"amount": 2}})
    assert changed.canonical == options("k", USER, parameters={"amount": 2}).canonical
    assert changed.parameters_json == '{"amount":2}'


def test_options_survive_pickling() -> None:
    asked = options("k", USER, parameters={"a": 1}, redacted_fields={"a"})
    again = pickle.loads(pickle.dumps(asked))  # noqa: S301 # our own
    assert again == asked
    assert (again.canonical, again.parameters_json) == (asked.canonical, asked.parameters_json)


def test_redacted_parameters_are_not_shown() -> None:
    asked = options("k", USER, parameters={"card": "4242"}, redacted_fields={"card"})
    assert "4242" not in f"{asked!r} {asked}"
    assert asked.parameters_json == "{}"


def test_in_user_scope_the_id_names_the_user() -> None:
    asked = options("x" * 255, USER, key_scope=KeyScope.USER)
    assert asked.execution_id == f"{USER}:{'x' * 255}"
    assert check_execution_id(asked.execution_id) == asked.execution_id


@pytest.mark.parametrize("bad", [*BAD_NAMES[:7], "x" * 293, "\ud800", None, 7, b"k", UUID(int=0)])
def test_an_id_that_cannot_be_one_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidIdempotencyKeyError):
        check_execution_id(bad)


def test_words_print_as_they_are_stored() -> None:
    assert f"{ExecutionActor.AI_ASSISTANT}" == "ai_assistant"
    assert ExecuteOptions.model_validate_json(options("k", USER).model_dump_json()).user_id == USER

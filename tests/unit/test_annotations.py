"""What a function says that it returns: whose word counts, and how often it is looked up."""

from __future__ import annotations

import functools
import typing
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from exec_tracker.codec.annotations import return_annotation

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[Any, Any]:
    """Begin with nothing remembered, and return what is."""
    remembered: dict[Any, Any] = {}
    monkeypatch.setattr("exec_tracker.codec.annotations._known", remembered)
    return remembered


@pytest.fixture
def looked_up(known: dict[Any, Any], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect the functions whose annotations are looked up."""
    assert not known
    look_up, functions = typing.get_type_hints, []

    def watched(function: Any, **names: Any) -> Any:
        functions.append(function)
        return look_up(function, **names)

    monkeypatch.setattr(typing, "get_type_hints", watched)
    return functions


def closure(number: int) -> Callable[[], int]:
    def executor() -> int:
        return number

    return executor


def saying(kind: Any) -> Callable[[], Any]:
    """Return a closure whose annotation is an object, as in a module that postpones none."""

    def executor() -> Any: ...

    executor.__annotations__ = {"return": kind}
    return executor


def test_closures_over_the_same_code_are_looked_up_once(looked_up: list[Any]) -> None:
    assert [return_annotation(closure(number)) for number in range(3)] == [int] * 3
    assert len(looked_up) == 1


def test_functions_that_share_code_and_differ_in_their_annotations_keep_their_own(
    looked_up: list[Any],
) -> None:
    unhashable = Annotated[dict[str, int], []]
    kinds = [int, str, unhashable]
    assert [return_annotation(saying(kind)) for kind in kinds] == kinds
    assert len(looked_up) == 3


def test_what_is_remembered_has_a_limit(
    known: dict[Any, Any], looked_up: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exec_tracker.codec.annotations._MOST_KNOWN", 2)
    for name in ("int", "str", "bytes", "float"):
        return_annotation(saying(name))
        assert len(known) <= 2
    assert len(looked_up) == 4


def test_a_wrapper_returns_what_the_function_in_it_says() -> None:
    def work() -> bytes:
        return b""

    @functools.wraps(work, assigned=())
    def wrapper() -> str:
        return ""

    assert return_annotation(wrapper) is bytes


class Compiled:
    """A routine without Python code, as a compiler of Python makes them."""

    def __init__(self) -> None:
        self.__annotations__ = {"return": "int"}

    def __call__(self) -> str:
        return ""

    def __get__(self, instance: object, owner: type) -> Compiled:
        return self


def test_a_routine_that_is_compiled_says_what_it_returns() -> None:
    assert return_annotation(Compiled()) is int

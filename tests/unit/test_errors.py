"""Errors: one tree, exported, picklable, with a sentence each."""

from __future__ import annotations

import inspect
import pickle
from datetime import timedelta
from typing import Any

import pytest

import exec_tracker
from exec_tracker import errors

CLASSES = [
    one
    for _, one in inspect.getmembers(errors, inspect.isclass)
    if issubclass(one, errors.ExecTrackerError) and not one.__name__.startswith("_")
]


@pytest.mark.parametrize("one", CLASSES)
def test_every_error_is_exported_and_drawn_in_the_tree(one: type[Exception]) -> None:
    assert getattr(exec_tracker, one.__name__) is one
    assert one.__name__ in errors.__all__
    assert one.__name__ in exec_tracker.__all__
    assert one.__name__ in (errors.__doc__ or "")
    assert one.__name__.endswith("Error")
    assert issubclass(one, Exception)


@pytest.mark.parametrize("one", CLASSES)
def test_the_docstring_is_the_default_message(one: type[Exception]) -> None:
    assert one.__doc__
    assert str(one()) == one.__doc__
    assert str(one("what happened")) == "what happened"


ARGUMENTS: list[tuple[type[Any], dict[str, Any]]] = [
    (errors.IdempotencyKeyReusedError, {"differs": "parameters"}),
    (errors.ExecutionInProgressError, {"retry_after": timedelta(seconds=1)}),
    (errors.ExecutionFailedError, {"error": {"type": "E"}, "retry_after": timedelta(1)}),
    (errors.LeaseLostError, {"result": [1]}),
    (errors.ResultNotStorableError, {"result": 1}),
    (errors.StorageError, {"result": 1, "sqlstate": "08006", "in_doubt": True}),
    (errors.TransientStorageError, {"sqlstate": "40001"}),
    *((one, {}) for one in CLASSES),
]


@pytest.mark.parametrize(("one", "attributes"), ARGUMENTS)
def test_errors_survive_pickling_with_what_they_carry(
    one: type[Exception], attributes: dict[str, Any]
) -> None:
    error = one("what happened", **attributes)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 # our own
    assert (type(again), str(again)) == (one, "what happened")
    assert vars(again) == vars(error)
    assert vars(again).items() >= attributes.items()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (errors.InvalidIdempotencyKeyError, ValueError),
        (errors.ExecutionNotFoundError, LookupError),
        (errors.MigrationRequiredError, errors.SchemaError),
        (errors.SchemaTooNewError, errors.SchemaError),
        (errors.TransientStorageError, errors.StorageError),
    ],
)
def test_errors_are_also(one: type[Exception], other: type[Exception]) -> None:
    assert issubclass(one, other)


def test_no_error_shadows_a_builtin() -> None:
    import builtins

    assert not {one.__name__ for one in CLASSES} & set(dir(builtins))


def test_every_public_name_is_there_and_sorted() -> None:
    assert sorted(exec_tracker.__all__) == exec_tracker.__all__
    for name in exec_tracker.__all__:
        assert getattr(exec_tracker, name) is not None


@pytest.mark.parametrize("name", exec_tracker.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    if not name.startswith("__"):
        assert inspect.getdoc(getattr(exec_tracker, name))

"""The two trackers say the same: equal public names, equal parameters, equal defaults."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from exec_tracker import AsyncExecutionTracker, Claim, ExecutionTracker
from exec_tracker.aio.claim import AsyncClaim
from exec_tracker.aio.transaction import AsyncTransactionBlock
from exec_tracker.tracker.transaction import TransactionBlock

TWINS: list[tuple[type, type]] = [
    (ExecutionTracker, AsyncExecutionTracker),
    (Claim, AsyncClaim),
    (TransactionBlock, AsyncTransactionBlock),
]
RENAMED = {"aclose": "close"}
# What a tracker is driven by, which hosts do not call: a method of the loop's own.
DRIVING = {"renew_now"}

twins = pytest.mark.parametrize(("sync", "asynchronous"), TWINS, ids=lambda one: one.__name__)


def public(kind: type) -> dict[str, Any]:
    """Return the public members of a class under the sync tracker's names."""
    return {
        RENAMED.get(name, name): inspect.getattr_static(kind, name)
        for name in dir(kind)
        if not name.startswith("_") and name not in DRIVING
    }


def parameters(method: Any) -> list[tuple[str, Any, Any]]:
    """Return what a method takes: names, kinds and defaults."""
    return [
        (one.name, one.kind, one.default) for one in inspect.signature(method).parameters.values()
    ]


@twins
def test_twins_have_equal_public_names(sync: type, asynchronous: type) -> None:
    assert set(public(sync)) == set(public(asynchronous))


@twins
def test_twins_take_equal_parameters_with_equal_defaults(sync: type, asynchronous: type) -> None:
    differing = {
        name
        for name, method in public(sync).items()
        if inspect.isfunction(method)
        and parameters(method) != parameters(public(asynchronous)[name])
    }
    assert differing == set()


def test_the_trackers_are_made_with_equal_parameters() -> None:
    def named(kind: type) -> list[tuple[str, Any, Any]]:
        return parameters(kind)

    assert named(ExecutionTracker) == named(AsyncExecutionTracker)


@twins
def test_every_public_method_has_a_docstring(sync: type, asynchronous: type) -> None:
    for kind in (sync, asynchronous):
        for name, member in public(kind).items():
            assert inspect.getdoc(member), f"{kind.__name__}.{name}"


def test_async_methods_are_awaited_and_only_those_that_make_something_are_not() -> None:
    plain = {
        name
        for name, member in public(AsyncExecutionTracker).items()
        if inspect.isfunction(member) and not inspect.iscoroutinefunction(member)
    }
    assert plain == {"claim", "transaction", "idempotent", "instrument", "check_open"}

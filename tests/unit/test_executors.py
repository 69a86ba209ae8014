"""Which functions can be run, and with what."""

from __future__ import annotations

import functools
from typing import Any, cast

import pytest

from exec_tracker import ConfigurationError, ExecutionContext, ExecutionTracker
from exec_tracker.executors import bind_executor, is_asynchronous
from tests.support.executors import options

CONTEXT = cast("ExecutionContext", object())


class Service:
    def no_argument(self) -> Any:
        return "called"

    def context(self, context: Any) -> Any:
        return context

    def __call__(self, context: Any) -> Any:
        return context


@pytest.mark.parametrize(
    ("executor", "given"),
    [
        (lambda: "called", "called"),
        (lambda context: context, CONTEXT),
        (lambda _context, more=1: more, 1),
        (lambda amount=7: amount, 7),
        (lambda *args: args, ()),
        (lambda **kwargs: kwargs, {}),
        (Service().no_argument, "called"),
        (Service().context, CONTEXT),
        (Service(), CONTEXT),
        (functools.partial(lambda a, b: (a, b), 1), (1, CONTEXT)),
        (functools.partial(lambda a, b: (a, b), 1, b=2), (1, 2)),
        (dict, {}),
        (list, []),
    ],
)
def test_a_function_gets_the_context_only_if_it_requires_one_argument(
    executor: Any, given: Any
) -> None:
    assert bind_executor(executor)(CONTEXT) == given


@pytest.mark.parametrize(
    "executor", [None, 7, "text", lambda _a, _b: 1, lambda *, a: a, print.__doc__]
)
def test_what_cannot_be_called_with_one_argument_is_refused(executor: Any) -> None:
    with pytest.raises(ConfigurationError):
        bind_executor(executor)


async def asynchronous() -> None: ...


class AsynchronousCall:
    async def __call__(self) -> None: ...


@pytest.mark.parametrize(
    "executor", [asynchronous, functools.partial(asynchronous), AsynchronousCall()]
)
def test_the_sync_tracker_refuses_async_functions_before_anything_is_sent(executor: Any) -> None:
    user = "00000000-0000-0000-0000-000000000000"
    with (
        ExecutionTracker("postgresql://nobody@localhost:1/none") as tracker,
        pytest.raises(ConfigurationError, match="AsyncExecutionTracker"),
    ):
        tracker.execute(options("k", user), executor)


class Methods:
    def plain(self) -> str:
        return "ran"

    def with_context(self, context: Any) -> Any:
        return context

    @classmethod
    def of_the_class(cls, context: Any) -> Any:
        return context

    def anything(self, *arguments: Any) -> int:
        return len(arguments)

    def needs_more(self, context: Any, more: Any) -> None: ...

    async def asynchronous(self, context: Any) -> Any: ...


def test_methods_are_judged_by_what_they_take_beside_their_object() -> None:
    methods: Any = Methods()
    assert bind_executor(methods.plain)(CONTEXT) == "ran"
    assert bind_executor(methods.with_context)(CONTEXT) is CONTEXT
    assert bind_executor(Methods.of_the_class)(CONTEXT) is CONTEXT
    assert bind_executor(methods.anything)(CONTEXT) == 0
    assert is_asynchronous(methods.asynchronous)
    assert not is_asynchronous(methods.plain)
    with pytest.raises(ConfigurationError, match="no argument, or one"):
        bind_executor(methods.needs_more)

"""Accept an executor with no argument or one, and refuse others before anything has happened."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from exec_tracker.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.context import ExecutionContext

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def bind_executor(executor: Callable[..., Any]) -> Callable[[ExecutionContext], Any]:
    """Return the executor as a function of its context, which it may leave out.

    Raises ConfigurationError for what is not callable or requires more than one argument.
    """
    if not callable(executor):
        raise ConfigurationError(
            f"The executor must be a function; {executor!r} is not callable. Pass the function "
            "itself, not the result of calling it."
        )
    try:
        parameters = inspect.signature(executor).parameters.values()
    except ValueError:  # built into C without a signature: such as `dict`
        return _ignoring_context(executor)
    required = [one for one in parameters if one.default is one.empty and one.kind in _POSITIONAL]
    keywords = [
        one for one in parameters if one.default is one.empty and one.kind is one.KEYWORD_ONLY
    ]
    if len(required) > 1 or keywords:
        raise ConfigurationError(
            f"The executor {executor!r} must take no argument, or one for the ExecutionContext; "
            "bind others with functools.partial or a lambda."
        )
    return executor if required else _ignoring_context(executor)


def _ignoring_context(executor: Callable[..., Any]) -> Callable[[ExecutionContext], Any]:
    if is_asynchronous(executor):

        async def call_async(_context: ExecutionContext) -> Any:
            return await executor()

        return call_async

    return lambda _context: executor()


def is_asynchronous(executor: Callable[..., Any]) -> bool:
    """Tell whether calling it gives a coroutine."""
    function = inspect.unwrap(getattr(executor, "func", executor))
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 # an object whose __call__ is async
    )

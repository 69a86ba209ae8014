"""Accept an executor with no argument or one, and refuse others before anything has happened."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from exec_tracker.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.context import ExecutionContext

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def bind_executor(
    executor: Callable[..., Any], name: str = "executor"
) -> Callable[[ExecutionContext], Any]:
    """Return the executor as a function of its context, which it may leave out.

    Raises ConfigurationError for what is not callable or requires more than one argument.
    """
    required = _required_positionals(executor, name)
    if required > 1:
        raise ConfigurationError(
            f"The {name} {executor!r} must take no argument, or one for the ExecutionContext; "
            "bind others with functools.partial or a lambda."
        )
    return executor if required else _ignoring_context(executor)


def check_session_executor(executor: Callable[..., Any]) -> None:
    """Raise ConfigurationError unless the executor takes exactly the session."""
    if _required_positionals(executor) != 1:
        raise ConfigurationError(
            f"The executor {executor!r} must take exactly one argument, the session to write with."
        )


def _required_positionals(executor: Callable[..., Any], name: str = "executor") -> int:
    if not callable(executor):
        raise ConfigurationError(
            f"The {name} must be a function; {executor!r} is not callable. Pass the function "
            "itself, not the result of calling it."
        )
    try:
        parameters = inspect.signature(executor).parameters.values()
    except ValueError:  # built into C without a signature: such as `dict`
        return 0
    required = [one for one in parameters if one.default is one.empty]
    if any(one.kind is one.KEYWORD_ONLY for one in required):
        raise ConfigurationError(f"The {name} {executor!r} must not require keyword arguments.")
    return sum(one.kind in _POSITIONAL for one in required)


def _ignoring_context(executor: Callable[..., Any]) -> Callable[[ExecutionContext], Any]:
    if is_asynchronous(executor):

        async def call_async(_context: ExecutionContext) -> Any:
            return await executor()

        return call_async

    return lambda _context: executor()


def is_asynchronous(executor: Callable[..., Any]) -> bool:
    """Tell whether calling it gives a coroutine: it itself, whatever it may wrap."""
    function = getattr(executor, "func", executor)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 # an object whose __call__ is async
    )

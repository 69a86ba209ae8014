"""Accept an executor with no argument or one, and refuse others before anything has happened."""

from __future__ import annotations

import inspect
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, TypeGuard

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
    function = executor.__func__ if isinstance(executor, MethodType) else executor
    if _is_plain(function):
        bound = function is not executor
        return max(_count_required(function, name) - bound, 0)
    try:
        parameters = inspect.signature(executor).parameters.values()
    except ValueError:  # built into C without a signature: such as `dict`
        return 0
    required = [one for one in parameters if one.default is one.empty]
    if any(one.kind is one.KEYWORD_ONLY for one in required):
        raise _keyword_required(executor, name)
    return sum(one.kind in _POSITIONAL for one in required)


def _is_plain(executor: object) -> TypeGuard[FunctionType]:
    """Tell whether it is a function as written, with nothing hung on it that says otherwise.

    Most executors are, and are new for every call: to read their code is much faster than to build
    a signature.
    """
    return type(executor) is FunctionType and not executor.__dict__


def _count_required(function: FunctionType, name: str) -> int:
    code = function.__code__
    defaults = function.__defaults__
    if not code.co_kwonlyargcount:
        return code.co_argcount - len(defaults or ())
    keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    if not set(keywords) <= set(function.__kwdefaults__ or ()):
        raise _keyword_required(function, name)
    return code.co_argcount - len(defaults or ())


def _keyword_required(executor: object, name: str) -> ConfigurationError:
    return ConfigurationError(f"The {name} {executor!r} must not require keyword arguments.")


def _ignoring_context(executor: Callable[..., Any]) -> Callable[[ExecutionContext], Any]:
    if is_asynchronous(executor):

        async def call_async(_context: ExecutionContext) -> Any:
            return await executor()

        return call_async

    return lambda _context: executor()


def is_asynchronous(executor: Callable[..., Any]) -> bool:
    """Tell whether calling it gives a coroutine: it itself, whatever it may wrap."""
    executor = executor.__func__ if isinstance(executor, MethodType) else executor
    if _is_plain(executor):
        return bool(executor.__code__.co_flags & inspect.CO_COROUTINE)
    function = getattr(executor, "func", executor)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 # an object whose __call__ is async
    )


def refuse_asynchronous(executor: Callable[..., object]) -> None:
    """Raise ConfigurationError for an executor that a synchronous tracker cannot await."""
    if is_asynchronous(executor):
        raise ConfigurationError(
            "The executor is async; use AsyncExecutionTracker, or a plain function."
        )

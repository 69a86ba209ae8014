"""Read what a function says that it returns."""

from __future__ import annotations

import inspect
import typing
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from exec_tracker.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable


def return_annotation(executor: Callable[..., Any]) -> Any:
    """Return the type that awaiting or calling it gives; `inspect.Signature.empty` if unsaid.

    Raises ConfigurationError where the annotation cannot be resolved.
    """
    if type(executor) is FunctionType and not executor.__dict__:
        function: Any = executor  # as most are, and many are made anew for every call
    else:
        function = inspect.unwrap(getattr(executor, "func", executor))
        if not inspect.isroutine(function):
            function = type(function).__call__
    if "return" not in getattr(function, "__annotations__", {}):
        return inspect.Signature.empty
    try:
        kind = _resolved_once(function)
    except NameError as exc:
        raise ConfigurationError(
            f"The return annotation of {executor!r} cannot be resolved ({exc}); pass result_type=."
        ) from exc
    return _awaited(kind)


_known: dict[tuple[CodeType, str | None, str], Any] = {}
_MOST_KNOWN = 512


def _resolved_once(function: Any) -> Any:
    """Resolve a name once for all closures over the same code: it is looked up in their module."""
    name, code = function.__annotations__["return"], getattr(function, "__code__", None)
    if type(name) is not str or code is None:
        return _resolved(function)
    key = (code, function.__module__, name)
    kind = _known.get(key, inspect.Signature.empty)
    if kind is inspect.Signature.empty:
        kind = _resolved(function)
        if len(_known) >= _MOST_KNOWN:
            _known.clear()  # another thread that reads meanwhile resolves the name again
        _known[key] = kind
    return kind


def _resolved(function: Any) -> Any:
    """Resolve the return annotation alone: the others may name what only type checkers import."""

    def returning() -> None: ...

    returning.__annotations__ = {"return": function.__annotations__["return"]}
    names = getattr(function, "__globals__", {})
    return typing.get_type_hints(returning, globalns=names, include_extras=True)["return"]


def _awaited(kind: Any) -> Any:
    """Unwrap Awaitable[T] and Coroutine[…, T] to the T that the caller receives."""
    origin = typing.get_origin(kind)
    if isinstance(origin, type) and issubclass(origin, typing.Awaitable):
        return typing.get_args(kind)[-1]
    return kind

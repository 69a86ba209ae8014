"""How an idempotent tool looks to the SDK: the function's arguments, a key, and the context."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

from mcp.server.mcpserver import Context
from mcp.types import InputRequiredResult
from pydantic import Field

from exec_tracker.errors import ConfigurationError
from exec_tracker.integrations.mcp.views import ToolAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.integrations.mcp.users import AnyContext

_CONTEXT: Final = "mcp_context"

_KeyArgument = Annotated[
    str,
    Field(
        description=(
            "A key for this request, of 1 to 255 characters. Repeat the same request with the same "
            "key, and it is not done twice; take a new key for a new request."
        ),
        json_schema_extra={"minLength": 1, "maxLength": 255},
    ),
]


@dataclass(frozen=True, slots=True)
class ToolSignature:
    """What the tool takes, and which of it the function, the key and the request are made of."""

    shown: inspect.Signature
    named: inspect.Signature
    context: str
    taken: frozenset[str]
    returns: Any
    answer: Any

    @classmethod
    def of(
        cls, function: Callable[..., Any], key_argument: str | None, result_type: Any
    ) -> ToolSignature:
        """Read a function; a `key_argument` that it does not take is added to what is shown.

        Raises ConfigurationError for what cannot be read, or cannot be repeated.
        """
        own = _signature(function)
        parameters = list(own.parameters.values())
        if key_argument is not None and key_argument not in own.parameters:
            parameters.append(_keyword(key_argument, _KeyArgument))
        context = next((one.name for one in parameters if _is_context(one.annotation)), None)
        named = [one for one in parameters if one.name != context]
        if context is None:
            parameters.append(_keyword(_CONTEXT, Context[Any, Any]))
        returns = _returned(function, own) if result_type is None else result_type
        generic: Any = ToolAnswer
        answer = generic[returns]
        return cls(
            shown=inspect.Signature(parameters, return_annotation=answer),
            named=inspect.Signature(named),
            context=context or _CONTEXT,
            taken=frozenset(own.parameters),
            returns=returns,
            answer=answer,
        )

    def identifying(self, key_argument: str | None) -> tuple[str, ...]:
        """Return the arguments that identify a request, unless somebody says otherwise."""
        return tuple(name for name in self.named.parameters if name != key_argument)

    def split(self, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], AnyContext]:
        """Return what the function takes, what identifies the request, and the context."""
        taken = {name: value for name, value in given.items() if name in self.taken}
        named = {name: value for name, value in given.items() if name in self.named.parameters}
        return taken, named, given[self.context]

    def dress(self, tool: Callable[..., Any], function: Callable[..., Any]) -> None:
        """Give a function the name and the signature by which it is registered."""
        tool.__name__ = function.__name__
        tool.__qualname__ = function.__qualname__
        tool.__module__ = function.__module__
        tool.__doc__ = function.__doc__
        tool.__signature__ = self.shown  # type: ignore[attr-defined] # inspect looks for it
        tool.__annotations__ = {
            one.name: one.annotation
            for one in self.shown.parameters.values()
            if one.annotation is not one.empty
        } | {"return": self.shown.return_annotation}


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError as exc:
        raise ConfigurationError(
            f"The annotations of {function.__name__} cannot be resolved ({exc}): a tool's must be "
            "importable when it is registered."
        ) from exc
    for one in signature.parameters.values():
        if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            raise ConfigurationError(
                f"A tool takes its arguments by name, and {function.__name__} takes {one}."
            )
    return signature


def _keyword(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)


def _is_context(annotation: Any) -> bool:
    return any(
        inspect.isclass(kind) and issubclass(kind, Context)
        for kind in (annotation, *get_args(annotation))
    )


def _returned(function: Callable[..., Any], signature: inspect.Signature) -> Any:
    returns = signature.return_annotation
    if returns in (None, signature.empty):
        return type(None) if returns is None else Any
    if InputRequiredResult in (returns, *get_args(returns)):
        raise ConfigurationError(
            f"{function.__name__} asks its client for input, which cannot be stored and replayed: "
            "ask by a parameter with Resolve(…), before it begins."
        )
    return returns

"""Derive a request from the arguments of a decorated function."""

from __future__ import annotations

import inspect
import string
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from exec_tracker.errors import ConfigurationError
from exec_tracker.types import ExecuteOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from exec_tracker.types import ExecutionActor, KeyScope

    OptionsOf = Callable[[tuple[Any, ...], dict[str, Any]], ExecuteOptions]


@dataclass(frozen=True, slots=True)
class Request:
    """How key, user and parameters follow from the arguments of a call."""

    key: str | Callable[..., str]
    workflow_id: str
    user_id: UUID | str | Callable[..., UUID | str]
    parameters: Iterable[str] | Callable[..., dict[str, Any]] | None
    workflow_name: str | None
    actor: ExecutionActor | None
    key_scope: KeyScope

    def bind(self, function: Callable[..., Any]) -> OptionsOf:
        """Return what makes options of a call; raises ConfigurationError for unknown arguments."""
        signature = inspect.signature(function)
        chosen = self._chosen(signature)
        _check_fields(self.key, signature, "key")
        _check_fields(self.user_id, signature, "user_id")

        def options_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> ExecuteOptions:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return self._options(bound.arguments, chosen)

        return options_of

    def _options(self, arguments: dict[str, Any], chosen: tuple[str, ...]) -> ExecuteOptions:
        if callable(self.parameters):
            parameters = self.parameters(**arguments)
        else:
            parameters = {name: _plain(name, arguments[name]) for name in chosen}
        return ExecuteOptions(
            idempotency_key=_fill(self.key, arguments),
            workflow_id=self.workflow_id,
            user_id=_fill(self.user_id, arguments),
            workflow_name=self.workflow_name,
            actor=self.actor,
            parameters=parameters,
            key_scope=self.key_scope,
        )

    def _chosen(self, signature: inspect.Signature) -> tuple[str, ...]:
        if self.parameters is None:
            return tuple(name for name in signature.parameters if name not in {"self", "cls"})
        if callable(self.parameters):
            return ()
        chosen = tuple(self.parameters)
        _check_known(chosen, signature, "parameters")
        return chosen


def bound_call(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Callable[[], Any]:
    """Return the call as an executor without arguments that keeps the return annotation."""
    return partial(function, *args, **kwargs)


def _plain(name: str, argument: Any) -> Any:
    """Write an argument as JSON: models, UUIDs, dates and Decimals have one way to be written."""
    if isinstance(argument, set | frozenset):
        argument = sorted(argument, key=repr)  # a set has no order, a fingerprint needs one
    try:
        return to_jsonable_python(argument)
    except PydanticSerializationError:
        raise ConfigurationError(
            f"The argument {name!r} of type {type(argument).__name__} cannot be written as JSON. "
            "Name the arguments that identify the request in parameters=, or compute them there."
        ) from None


def _fill(template: Any, arguments: dict[str, Any]) -> Any:
    if callable(template):
        return template(**arguments)
    return template.format(**arguments) if isinstance(template, str) else template


def _check_fields(template: object, signature: inspect.Signature, what: str) -> None:
    if not isinstance(template, str):
        return
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as exc:
        raise ConfigurationError(f"{what} is no template: {exc} in {template!r}.") from exc
    fields = [field for _, field, _, _ in parsed if field is not None]
    names = [field.split(".")[0].split("[")[0] for field in fields]
    _check_known(names, signature, what)


def _check_known(names: Iterable[str], signature: inspect.Signature, what: str) -> None:
    unknown = [name for name in names if name not in signature.parameters]
    if unknown:
        raise ConfigurationError(
            f"{what} names {unknown[0]!r}, which is no argument of the function; it has "
            f"{', '.join(signature.parameters) or 'none'}."
        )

"""Turn results into JSON that PostgreSQL keeps without changing it, and back into their type."""

from __future__ import annotations

import inspect
import json
import typing
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import lru_cache
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Generic, Never, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from exec_tracker.errors import ConfigurationError, ResultNotStorableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

# A jsonb value's parts are addressed with 28 bits (PostgreSQL: JENTRY_OFFLENMASK), so 256 MB is
# where the server refuses. Results near that are files, not outcomes.
DEFAULT_MAX_BYTES = 32 * 1024 * 1024


class UnstorableValueError(ValueError):
    """A value that JSONB cannot hold."""


def storable_json(value: Any, *, max_bytes: int = DEFAULT_MAX_BYTES) -> str:
    """Write plain JSON types as text that JSONB accepts and gives back equal.

    Tuples become lists and keys become strings, as in `json.dumps`. Raises UnstorableValueError
    for what JSON cannot express (NaN, Infinity, other types, colliding keys) and for what
    PostgreSQL refuses (NUL, lone surrogates, extreme depth or size).
    """
    return storable_copy(value, max_bytes=max_bytes)[0]


_plain = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_parse = json.JSONDecoder().raw_decode  # of text that begins and ends with the value


def storable_copy(value: Any, *, max_bytes: int = DEFAULT_MAX_BYTES) -> tuple[str, Any]:
    """Do the same, and return also what is read back from the text."""
    try:
        text = _plain.encode(value)
        size = len(text.encode())
        copy = _parse(text)[0]
        if copy != value:
            _refuse_colliding_keys(value)
    except UnstorableValueError:
        raise
    except RecursionError:
        raise UnstorableValueError("it is nested too deeply to be stored as JSON") from None
    except UnicodeEncodeError:
        raise UnstorableValueError("it holds a lone surrogate, which is not Unicode text") from None
    except (TypeError, ValueError) as exc:
        raise UnstorableValueError(f"it is not JSON: {exc}") from None
    _refuse_nul(text)
    _refuse_size(size, max_bytes)
    return text, copy


def _refuse_nul(text: str) -> None:
    if "\\u0000" in text and any("\0" in part for part in _strings(json.loads(text))):
        raise UnstorableValueError("it holds a NUL character, which PostgreSQL text cannot")


def _refuse_size(size: int, limit: int) -> None:
    if size > limit:
        raise UnstorableValueError(
            f"it takes {size:,} bytes as JSON, more than the {limit:,} allowed"
        )


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(key)
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _refuse_colliding_keys(value: Any) -> None:
    if isinstance(value, dict):
        if len(json.loads(json.dumps(dict.fromkeys(value)))) != len(value):
            raise UnstorableValueError("two of its keys become the same string")
        for item in value.values():
            _refuse_colliding_keys(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_colliding_keys(item)


class ResultCodec(Generic[T]):
    """Encode and decode one type of result; built before the claim, so that it cannot fail after.

    Without an adapter the result is plain JSON.
    """

    def __init__(
        self,
        adapter: TypeAdapter[T] | None = None,
        *,
        name: str = "plain JSON",
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        """Use `adapter` to validate before writing and to parse what is read."""
        self._adapter = adapter
        self._max_bytes = max_bytes
        self.name = name

    def encode(self, value: T) -> str:
        """Write a result as storable JSON text that decodes to an equal value.

        Raises ResultNotStorableError, carrying the value, for anything else.
        """
        try:
            if self._adapter is None:
                return storable_json(value, max_bytes=self._max_bytes)
            return self._encode_typed(self._adapter, value)
        except UnstorableValueError as exc:
            raise ResultNotStorableError(
                f"The function returned a result that cannot be stored: {exc}.", result=value
            ) from exc

    def decode(self, text: str | None) -> T:
        """Parse stored JSON text; SQL NULL, as an adopted row may have, reads as JSON null.

        Raises ConfigurationError where the stored result no longer fits the type.
        """
        if self._adapter is None:
            plain: T = _parse(text or "null")[0]
            return plain
        try:
            return self._adapter.validate_json(text or "null")
        except ValidationError as exc:
            raise ConfigurationError(
                f"The stored result does not fit {self.name}; pass a result_type= that can read "
                f"it. The function was not run again. {exc}"
            ) from exc

    def _encode_typed(self, adapter: TypeAdapter[T], value: T) -> str:
        try:
            valid = adapter.validate_python(value)
        except ValidationError as exc:
            raise UnstorableValueError(f"it is not a valid {self.name}: {exc}") from exc
        # Models with aliases are read by alias unless they say otherwise: try that first.
        for by_alias in (True, False):
            text = self._dump(adapter, valid, by_alias=by_alias)
            if _reads_back(adapter, text, valid):
                _refuse_nul(text)
                _refuse_size(len(text.encode()), self._max_bytes)
                return text
        raise UnstorableValueError(f"as JSON it does not read back as an equal {self.name}")

    def _dump(self, adapter: TypeAdapter[T], valid: T, *, by_alias: bool) -> str:
        try:
            return adapter.dump_json(
                valid, by_alias=by_alias, round_trip=True, warnings="error"
            ).decode()
        except (ValueError, TypeError, RecursionError) as exc:
            raise UnstorableValueError(f"it cannot be written as JSON: {exc}") from exc


def _reads_back(adapter: TypeAdapter[T], text: str, valid: T) -> bool:
    try:
        read = adapter.validate_json(text)
    except ValidationError:
        return False
    return bool(read == valid) or _same_moments(read, valid)


def _same_moments(read: Any, valid: Any) -> bool:
    """Compare what differs by its times only.

    A time in an hour that the clocks repeat is unequal to the same moment in another zone, as which
    it is read back (PEP 495).
    """
    if isinstance(read, datetime) and isinstance(valid, datetime):
        return None not in (read.tzinfo, valid.tzinfo) and (
            read.astimezone(UTC) == valid.astimezone(UTC)
        )
    if type(read) is not type(valid):
        return False
    mine, theirs = _parts(read), _parts(valid)
    return mine.keys() == theirs.keys() != set() and all(
        mine[name] == theirs[name] or _same_moments(mine[name], theirs[name]) for name in mine
    )


def _parts(value: Any) -> dict[Any, Any]:
    """Name what a value is made of, where its parts can be compared one by one."""
    if isinstance(value, BaseModel | dict):
        return dict(value)
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return dict(enumerate(value)) if isinstance(value, list | tuple) else {}


def codec_for(
    executor: Callable[..., Any], result_type: Any = None, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> ResultCodec[Any]:
    """Build the codec of an executor's results: `result_type`, else its return annotation.

    Raises ConfigurationError where the type cannot be read from JSON, before anything has run.
    """
    kind = result_type if result_type is not None else _return_annotation(executor)
    try:
        return _cached_codec(kind, max_bytes)
    except TypeError:  # an unhashable annotation
        return _build_codec(kind, max_bytes)


def _build_codec(kind: Any, max_bytes: int) -> ResultCodec[Any]:
    if kind in (inspect.Signature.empty, Any, object, NoReturn, Never):
        return ResultCodec(max_bytes=max_bytes)
    name = getattr(kind, "__qualname__", None) or str(kind)
    return ResultCodec(_adapter(kind, name), name=name, max_bytes=max_bytes)


_cached_codec = lru_cache(maxsize=512)(_build_codec)


def _adapter(kind: Any, name: str) -> TypeAdapter[Any]:
    base64 = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    try:
        try:
            return TypeAdapter(kind, config=base64)
        except PydanticUserError as exc:
            if exc.code != "type-adapter-config-unused":
                raise
            return TypeAdapter(kind)  # models and dataclasses bring their own configuration
    except (PydanticUserError, NameError, TypeError) as exc:
        raise ConfigurationError(
            f"Results of type {name} cannot be stored and read back: {exc}. Pass result_type= with "
            "a type that pydantic can validate, or return plain JSON."
        ) from exc


def _return_annotation(executor: Callable[..., Any]) -> Any:
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

"""Turn results into JSON that PostgreSQL keeps without changing it, and back into their type."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, Never, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from exec_tracker.codec.annotations import return_annotation
from exec_tracker.codec.storable import (
    DEFAULT_MAX_BYTES,
    UnstorableValueError,
    read_json,
    refuse_nul,
    refuse_size,
    storable_copy,
    storable_json,
)
from exec_tracker.errors import ConfigurationError, ResultNotStorableError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "DEFAULT_MAX_BYTES",
    "ResultCodec",
    "UnstorableValueError",
    "codec_for",
    "storable_copy",
    "storable_json",
]

T = TypeVar("T")


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
            plain: T = read_json(text or "null")[0]
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
                refuse_nul(text)
                refuse_size(len(text.encode()), self._max_bytes)
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
    kind = result_type if result_type is not None else return_annotation(executor)
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

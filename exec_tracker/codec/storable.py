"""Write plain values as JSON text that PostgreSQL keeps without changing it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

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
read_json = json.JSONDecoder().raw_decode  # of text that begins and ends with the value


def storable_copy(value: Any, *, max_bytes: int = DEFAULT_MAX_BYTES) -> tuple[str, Any]:
    """Do the same, and return also what is read back from the text."""
    try:
        text = _plain.encode(value)
        size = len(text.encode())
        copy = read_json(text)[0]
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
    refuse_nul(text)
    refuse_size(size, max_bytes)
    return text, copy


def refuse_nul(text: str) -> None:
    """Raise UnstorableValueError for JSON text with a NUL character in a string."""
    if "\\u0000" in text and any("\0" in part for part in _strings(json.loads(text))):
        raise UnstorableValueError("it holds a NUL character, which PostgreSQL text cannot")


def refuse_size(size: int, limit: int) -> None:
    """Raise UnstorableValueError for more bytes than `limit`."""
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

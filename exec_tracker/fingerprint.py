"""Digest a request's parameters, so that a key reused for another request is noticed.

The digest is taken in Python, before JSONB can change anything, and carries its version: a later
version may digest differently without turning every stored fingerprint into a conflict.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VERSION = "v1"
# Keyed digests compare with keyed ones only, so that a key may be introduced later.
KEYED_VERSION = "v1:hmac"


def canonical_parameters(
    parameters: Mapping[str, Any] | None, fields: Iterable[str] | None = None
) -> bytes:
    """Write the identifying parameters in one canonical form.

    Key order does not count, and `1` equals `1.0`, as they do in JSON (RFC 8259 §6); `1` and
    `True` differ. No parameters and empty parameters are the same request. `fields` names the
    top-level parameters that identify the request; None means all of them.
    """
    if not parameters:
        return _NO_PARAMETERS
    chosen = dict(parameters)
    if fields is not None:
        wanted = frozenset(fields)
        chosen = {name: value for name, value in chosen.items() if name in wanted}
    return _sorted.encode(_canonical(chosen)).encode()


_NO_PARAMETERS = b"{}"

_sorted = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def fingerprint(canonical: bytes, key: bytes | None = None) -> str:
    """Digest canonical parameters with SHA-256, or HMAC-SHA-256 where a `key` is given.

    Without a key, whoever reads the digest can test guesses against it; card numbers and other
    guessable values need the key.
    """
    if key is None:
        return f"{VERSION}:{hashlib.sha256(canonical).hexdigest()}"
    return f"{KEYED_VERSION}:{hmac.new(key, canonical, hashlib.sha256).hexdigest()}"


def same_request(stored: str | None, asked: str | None) -> bool:
    """Tell whether two fingerprints can belong to the same request.

    A row without a fingerprint was adopted and matches any; digests of different versions
    cannot be compared and match too.
    """
    if stored is None or asked is None or stored == asked:
        return True
    return stored.rpartition(":")[0] != asked.rpartition(":")[0]


def same_json(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal, also where JSONB has made a float an integer."""
    return canonical_parameters({"": one}) == canonical_parameters({"": other})


def _canonical(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        # By its shortest decimal digits, which is how JSON and JSONB have it: 1e23 is 10**23, and
        # not the binary fraction next to it.
        return int(Decimal(repr(value)))
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return value

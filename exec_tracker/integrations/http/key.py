"""Read the Idempotency-Key header: an item of RFC 9651, and that item a string."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NoReturn

from exec_tracker.errors import ConfigurationError
from exec_tracker.integrations.http.messages import AnsweredError
from exec_tracker.integrations.http.problems import KEY_MALFORMED, KEY_MISSING
from exec_tracker.types import MAX_KEY_LENGTH

try:
    import http_sf
except ImportError as exc:
    raise ConfigurationError(
        "The Idempotency-Key header is parsed by http-sf: pip install 'exec_tracker[http]'."
    ) from exc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exec_tracker.integrations.http.policy import IdempotencyPolicy

HEADER: Final = "Idempotency-Key"

# Visible ASCII, but for what delimits strings, lists and parameters in a structured field.
_BARE: Final = re.compile(r"[!#-+\--:<-\[\]-~]+")


def idempotency_key(values: Sequence[str], policy: IdempotencyPolicy) -> str | None:
    """Return the key that a request's header lines carry, or None where it need not have one.

    Parameters after the string are ignored, as RFC 9651 asks. Raises AnsweredError (400) for a key
    that is missing, malformed, empty, blank, or longer than 255 characters.
    """
    if not values:
        if policy.required:
            raise AnsweredError(KEY_MISSING.response(policy.documentation))
        return None
    if len(values) > 1:
        _refuse(policy, f"{HEADER} was sent {len(values)} times; send it once.")
    key = _parse(values[0].strip(" \t"), policy)
    if not key.strip():
        _refuse(policy, f"{HEADER} is {'blank' if key else 'empty'}; send a random UUID.")
    if len(key) > MAX_KEY_LENGTH:
        _refuse(policy, f"{HEADER} has {len(key)} characters; {MAX_KEY_LENGTH} are allowed.")
    return key


def _parse(value: str, policy: IdempotencyPolicy) -> str:
    if not value:
        return ""
    if policy.accept_bare_keys and _BARE.fullmatch(value):
        return value
    try:
        parsed = http_sf.parse(value.encode("latin-1"), tltype="item")
    except ValueError as exc:
        _refuse(policy, f"{HEADER} is not a structured field: {exc}. {_HOW}")
    item = parsed[0] if isinstance(parsed, tuple) else parsed
    if type(item) is not str:
        _refuse(policy, f"{HEADER} is not a string. {_HOW}")
    return item


_HOW: Final = f'Send it in double quotes: {HEADER}: "8e03978e-40d5-43e8-bc93-6894a57f9324".'


def _refuse(policy: IdempotencyPolicy, detail: str) -> NoReturn:
    raise AnsweredError(KEY_MALFORMED.response(policy.documentation, detail))

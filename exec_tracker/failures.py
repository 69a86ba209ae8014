"""Describe an exception for the row its user may read, and in full for the history."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from exec_tracker.repository import Failure

if TYPE_CHECKING:
    from datetime import timedelta

MAX_TEXT = 16_384  # an error message is read by people; a response body pasted into one is not
MAX_CHAIN = 8


def storable_text(text: str, limit: int = MAX_TEXT) -> str:
    """Make any text storable: no NUL, no lone surrogates, and truncated with a mark."""
    clean = text.replace("\0", "\\x00").encode(errors="backslashreplace").decode()
    if len(clean) <= limit:
        return clean
    return f"{clean[:limit]}… [{len(clean) - limit} more characters]"


def describe(error: BaseException, limit: int = MAX_TEXT) -> dict[str, Any]:
    """Name an exception: its type and its message."""
    kind = type(error)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    return {"type": storable_text(name, 512), "message": storable_text(_message(error), limit)}


def failure_of(
    error: BaseException,
    *,
    retryable: bool,
    outcome_unknown: bool = False,
    retry_delay: timedelta | None = None,
    limit: int = MAX_TEXT,
) -> Failure:
    """Turn an exception into what is stored: flags in the row, traceback in the history only.

    Message and traceback are truncated to `limit` characters each.
    """
    described = describe(error, limit)
    flags = {"type": described["type"], "retryable": retryable, "outcome_unknown": outcome_unknown}
    return Failure(
        message=described["message"] or described["type"],
        error=flags,
        history={
            **described,
            **flags,
            "traceback": _traceback(error, limit),
            "causes": _causes(error, limit),
        },
        retry_delay=retry_delay or None,
    )


def failure_from_text(
    message: str,
    *,
    kind: str = "Failure",
    retryable: bool = True,
    retry_delay: timedelta | None = None,
) -> Failure:
    """Turn a caller's message into what is stored, as `mark_failed` and `resolve` do."""
    text = storable_text(message)
    flags = {"type": storable_text(kind, 512), "retryable": retryable, "outcome_unknown": False}
    return Failure(text, flags, {**flags, "message": text}, retry_delay)


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 # a broken __str__ must not lose the failure
        return f"<no message: its __str__ raised {type(broken).__name__}>"


def _traceback(error: BaseException, limit: int) -> str:
    lines = traceback.format_exception(type(error), error, error.__traceback__, limit=-30)
    return storable_text("".join(lines), limit)


def _causes(error: BaseException, limit: int) -> list[dict[str, Any]]:
    chain: list[dict[str, Any]] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(chain) < MAX_CHAIN:
        chain.append(describe(cause, limit))
        cause = cause.__cause__ or cause.__context__
    return chain

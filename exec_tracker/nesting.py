"""Refuse a key inside itself: a deadlock that PostgreSQL cannot see, since it sees no waiting."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from exec_tracker.errors import ExecutionInProgressError

if TYPE_CHECKING:
    from collections.abc import Iterator

_open_keys: ContextVar[frozenset[str]] = ContextVar("exec_tracker_open_keys", default=frozenset())


@contextmanager
def entered(execution_id: str) -> Iterator[None]:
    """Note that a transaction holds this key; raises ExecutionInProgressError inside another."""
    refuse_nested(execution_id)
    _open_keys.set(_open_keys.get() | {execution_id})
    try:
        yield
    finally:
        # Not by a token: a block may be left in another task than it was entered in.
        _open_keys.set(_open_keys.get() - {execution_id})


def refuse_nested(execution_id: str) -> None:
    """Raise ExecutionInProgressError where a transaction of this very call stack holds the key."""
    if execution_id in _open_keys.get():
        raise ExecutionInProgressError(
            f"Execution {execution_id!r} is in progress in the transaction that makes this call: "
            "a key cannot wait for itself. Use another key for the inner work."
        )

"""Refuse a key inside itself: a deadlock that PostgreSQL cannot see, since it sees no waiting."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exec_tracker.errors import ExecutionInProgressError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True, eq=False)
class _Held:
    """A key that a transaction holds, for as long as it is open."""

    execution_id: str
    is_open: bool = True


# Tasks inherit what is in it; that a transaction has ended shows in the shared object.
_held_keys: ContextVar[tuple[_Held, ...]] = ContextVar("exec_tracker_held_keys", default=())


@contextmanager
def entered(execution_id: str) -> Iterator[None]:
    """Note that a transaction holds this key; raises ExecutionInProgressError inside another."""
    refuse_nested(execution_id)
    held = _Held(execution_id)
    _held_keys.set((*(one for one in _held_keys.get() if one.is_open), held))
    try:
        yield
    finally:
        held.is_open = False


def refuse_nested(execution_id: str) -> None:
    """Raise ExecutionInProgressError where a transaction of this very call stack holds the key."""
    held = _held_keys.get()
    if held and any(one.is_open and one.execution_id == execution_id for one in held):
        raise ExecutionInProgressError(
            f"Execution {execution_id!r} is in progress in the transaction that makes this call: "
            "a key cannot wait for itself. Use another key for the inner work."
        )

"""Repeat what is safe to repeat, with growing, jittered pauses."""

from __future__ import annotations

import random
from time import monotonic
from typing import TYPE_CHECKING, Any

from exec_tracker.errors import TransientStorageError
from exec_tracker.flow.commands import Ask, Sleep
from exec_tracker.sqlstates import SERIALIZATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exec_tracker.flow.commands import Flow

# How long a claim or read is repeated after a connection broke under it, before the caller hears.
PATIENCE_SECONDS = 5.0
_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 1.0


def pauses(longest: float = _LONGEST_PAUSE) -> Iterator[float]:
    """Give seconds to pause: none at first, then doubling up to `longest`, each with jitter."""
    yield 0.0
    pause = _FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 # jitter needs no secrecy
        pause = min(pause * 2, longest)


def ask(method: Callable[..., Any], *arguments: Any) -> Flow:
    """Ask once."""
    return (yield Ask(method, arguments))


def ask_patiently(method: Callable[..., Any], *arguments: Any) -> Flow:
    """Ask, and repeat after a lost connection or a serialization failure.

    Only for what is safe to repeat: reads, and writes fenced by a token. Where no connection could
    be had and nothing is in doubt, the caller hears at once.
    """
    deadline = monotonic() + PATIENCE_SECONDS
    coming: Iterator[float] | None = None
    in_doubt = False
    while True:
        try:
            return (yield Ask(method, arguments))
        except TransientStorageError as exc:
            coming = coming or pauses()
            pause = next(coming)
            in_doubt = in_doubt or exc.in_doubt
            repeatable = in_doubt or exc.sqlstate in SERIALIZATION
            if not repeatable or monotonic() + pause > deadline:
                exc.in_doubt = in_doubt  # what was sent before may still be committed
                raise
        yield Sleep(pause)

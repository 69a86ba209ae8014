"""Draw the tokens that fence claims."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["new_token"]


def new_token() -> UUID:
    """Return a random UUID that the kernel drew for this call alone.

    Nothing is drawn ahead: a process that forks, or a machine that is cloned while it runs, would
    use the same twice.
    """
    return UUID(bytes=_draw(16), version=4)


def _source() -> Callable[[int], bytes]:
    """Prefer what keeps the interpreter's lock for the moment that it takes.

    `os.urandom`, which uuid4 calls, hands it to another thread each time, and waits to get it back.
    """
    try:
        os.getrandom(1)
    except (AttributeError, OSError):  # not Linux, or forbidden in a sandbox
        return os.urandom
    return os.getrandom


_draw = _source()

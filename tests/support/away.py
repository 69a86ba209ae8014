"""A server that loses one answer and is then away for a while, as a proxy's judge."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from proof.wire.line import Strike

if TYPE_CHECKING:
    from collections.abc import Callable

    from proof.wire.messages import Message


class Away:
    """Loses the first answer that is the one, then every connection, for some seconds."""

    def __init__(self, seconds: float, is_the_one: Callable[[Message], bool]) -> None:
        self._seconds, self._is_the_one = seconds, is_the_one
        self._lock = threading.Lock()
        self._until: float | None = None

    @property
    def began(self) -> bool:
        """Whether the answer was lost."""
        return self._until is not None

    def __call__(self, message: Message) -> Strike | None:
        with self._lock:
            if self._until is None and message.direction == "to client":
                if self._is_the_one(message):
                    self._until = time.monotonic() + self._seconds
                else:
                    return None
        is_away = self._until is not None and time.monotonic() < self._until
        return Strike("reset") if is_away else None

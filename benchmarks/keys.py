"""Keys: new ones in time order or at random, and those of rows that a table was filled with."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import time
import uuid
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME_ORDERED: Final = "time"
RANDOM: Final = "random"

USERS: Final = 100
"""How many users share a filled table; the first of them calls."""


def new_keys(style: str, caller: int) -> Iterator[str]:
    """Yield keys nobody has used: UUIDs of version 7 in this process's order, or of version 4."""
    if style == RANDOM:
        while True:
            yield str(uuid.uuid4())
    lane = os.getpid()
    began = time.time_ns() // 1_000_000
    for n in itertools.count():
        at = began + (n >> 12)
        yield f"{at >> 16:08x}-{at & 0xFFFF:04x}-7{n & 0xFFF:03x}-8{caller:03x}-{lane:012x}"


def filled_keys(style: str, rows: int, first_at: int) -> Iterator[str]:
    """Yield keys of the first user's rows in a filled table, in random order, for ever."""
    choose = random.Random(rows).randrange  # noqa: S311 # no secret
    while True:
        yield filled_key(style, 1 + choose(rows // USERS) * USERS, first_at)


def filled_key(style: str, number: int, first_at: int) -> str:
    """Return the key of one row, as `filling.FILL` makes it in SQL."""
    digest = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
    if style == RANDOM:
        return str(uuid.UUID(digest))
    at = f"{first_at + number:012x}"
    return f"{at[:8]}-{at[8:]}-7{digest[:3]}-8{digest[3:6]}-{digest[6:18]}"

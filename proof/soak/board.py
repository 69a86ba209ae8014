"""What the processes of a soak share: the keys that each is at, and when to stop."""

from __future__ import annotations

import mmap
import zlib
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import random
    from pathlib import Path

# A key with its checksum: whoever reads while another writes finds that they do not fit.
_CELL = 64
_KEYS = 8
_HEAD = 64
_SUM = 4


class Board:
    """A file in memory, written without locks: a process that is killed can hold none.

    Each caller has a row of its own, where its last keys stand; others repeat them.
    """

    def __init__(self, path: Path, rows: int) -> None:
        """Open a board that `create` has made."""
        self._rows = rows
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)

    @classmethod
    def create(cls, path: Path, rows: int) -> Self:
        """Make an empty board."""
        path.write_bytes(bytes(_HEAD + rows * _KEYS * _CELL))
        return cls(path, rows)

    @property
    def is_over(self) -> bool:
        """Whether everybody should stop."""
        return self._memory[0] != 0

    def end(self) -> None:
        """Tell everybody to stop."""
        self._memory[0] = 1

    def write(self, row: int, number: int, key: str) -> None:
        """Say that the caller of this row is at a key, its `number`-th."""
        data = key.encode()
        cell = bytes([len(data)]) + data + _checksum(data)
        at = self._place(row, number % _KEYS)
        self._memory[at : at + len(cell)] = cell

    def any_key(self, chance: random.Random) -> str | None:
        """Return a key that somebody is at, or was at lately."""
        at = self._place(chance.randrange(self._rows), chance.randrange(_KEYS))
        length = self._memory[at]
        data = self._memory[at + 1 : at + 1 + length]
        if not length or self._memory[at + 1 + length : at + 1 + length + _SUM] != _checksum(data):
            return None
        return data.decode()

    def _place(self, row: int, cell: int) -> int:
        return _HEAD + (row * _KEYS + cell) * _CELL


def _checksum(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(_SUM)

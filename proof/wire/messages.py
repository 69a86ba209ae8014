"""Cut the bytes between a client and a server into the messages of PostgreSQL's protocol.

PostgreSQL manual, "Frontend/Backend Protocol": a type byte, then a length that counts itself. The
client's first message has no type, and the answer to its question for encryption is a single byte.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["to server", "to client"]

_UNTYPED = 80877102  # codes from here on ask for something other than a session
_ENCRYPTION = frozenset({80877103, 80877104})
_TO_SERVER = {
    "Q": "Query",
    "P": "Parse",
    "B": "Bind",
    "D": "Describe",
    "E": "Execute",
    "S": "Sync",
    "C": "Close",
    "H": "Flush",
    "p": "password",
    "X": "Terminate",
}
_TO_CLIENT = {
    "R": "Authentication",
    "K": "BackendKeyData",
    "S": "ParameterStatus",
    "Z": "ReadyForQuery",
    "1": "ParseComplete",
    "2": "BindComplete",
    "3": "CloseComplete",
    "t": "ParameterDescription",
    "T": "RowDescription",
    "n": "NoData",
    "D": "DataRow",
    "C": "CommandComplete",
    "I": "EmptyQueryResponse",
    "E": "ErrorResponse",
    "N": "NoticeResponse",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message, with the bytes it is made of."""

    direction: Direction
    name: str
    data: bytes

    def __str__(self) -> str:
        """Return its name, and with what ends a statement its tag."""
        if self.name == "CommandComplete":
            return f"{self.name} {self.data[5:-1].decode(errors='replace')}"
        if self.name == "Query":
            words = self.data[5:-1].decode(errors="replace").split()
            return f"{self.name} {' '.join(words[:1])}"
        return self.name


@dataclass(slots=True)
class Splitter:
    """Collects the bytes of one direction of one connection until messages are whole."""

    direction: Direction
    begun: bool = False
    answers_awaited: int = 0
    asked_encryption: bool = False
    _rest: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[Message]:
        """Take in bytes and return the messages that are whole by now."""
        self._rest += data
        found = []
        while (message := self._next()) is not None:
            found.append(message)
        return found

    def _next(self) -> Message | None:
        if not self._rest:
            return None
        if self.direction == "to client" and self.answers_awaited:
            self.answers_awaited -= 1
            return self._take(1, "encryption?")
        if self.direction == "to server" and not self.begun:
            return self._first()
        if len(self._rest) < 5:  # noqa: PLR2004 # a type and a length
            return None
        (length,) = struct.unpack_from(">I", self._rest, 1)
        names = _TO_SERVER if self.direction == "to server" else _TO_CLIENT
        kind = chr(self._rest[0])
        return self._take(length + 1, names.get(kind, kind))

    def _first(self) -> Message | None:
        if len(self._rest) < 8:  # noqa: PLR2004 # a length and a code
            return None
        length, code = struct.unpack_from(">II", self._rest)
        if len(self._rest) < length:
            return None
        self.asked_encryption = code in _ENCRYPTION
        self.begun = code < _UNTYPED
        return self._take(length, "Startup" if self.begun else "encryption?")

    def _take(self, length: int, name: str) -> Message | None:
        if len(self._rest) < length:
            return None
        data = bytes(self._rest[:length])
        del self._rest[:length]
        return Message(self.direction, name, data)

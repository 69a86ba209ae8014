"""Count what goes over the wire to PostgreSQL: statements, round trips, commits.

A proxy that hands bytes on unchanged and reads the messages in them (PostgreSQL manual, "Frontend/
Backend Protocol"). It sees what any driver really sends, BEGIN and COMMIT included, and it needs
nothing of the server.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK: Final = 1 << 16
# Requests that come before the first message with a type, and are answered by a single byte.
_NEGOTIATIONS: Final = {80877103, 80877104}
_IDLE: Final = b"I"


@dataclass(slots=True)
class Traffic:
    """What all connections have sent so far."""

    statements: int = 0
    round_trips: int = 0
    commits: int = 0

    def __sub__(self, earlier: Traffic) -> Traffic:
        return Traffic(
            self.statements - earlier.statements,
            self.round_trips - earlier.round_trips,
            self.commits - earlier.commits,
        )


class Wire:
    """Listens on a port of its own, and leads every connection to the server."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._traffic = Traffic()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where clients connect."""
        return int(self._listener.getsockname()[1])

    def seen(self) -> Traffic:
        """Return what was seen so far; take the difference of two."""
        return replace(self._traffic)

    def close(self) -> None:
        """Accept no more; what is connected stays so until either end leaves."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                line = _Line(self._traffic)
                ways = ((client, server, line.sent), (server, client, line.answered))
                for way in ways:
                    threading.Thread(target=_pump, args=way, daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, note: Callable[[bytes], None]) -> None:
    with contextlib.suppress(OSError), source, target:
        while data := source.recv(_CHUNK):
            # Before it is handed on, so that who has an answer finds it counted.
            note(data)
            target.sendall(data)
        for end in (source, target):
            end.shutdown(socket.SHUT_RDWR)


class _Line:
    """The messages of one connection; either direction is read by a thread of its own."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._questions, self._answers = b"", b""
        self._begun = False
        self._bare_answers = 0
        self._open_statements = 0
        self._undone = False

    def sent(self, data: bytes) -> None:
        """Read what the client sends."""
        self._questions += data
        while not self._begun and (message := self._untyped()):
            code = int.from_bytes(message[4:8], "big")
            if code in _NEGOTIATIONS:
                self._bare_answers += 1
            else:
                self._begun = True
        if self._begun:
            messages, self._questions = _typed(self._questions)
            for kind, _ in messages:
                if kind in (b"Q", b"E", b"F"):
                    self._traffic.statements += 1
                    self._open_statements += 1

    def _untyped(self) -> bytes:
        if len(self._questions) < 8:  # noqa: PLR2004 # a length and a code
            return b""
        (length,) = struct.unpack_from("!i", self._questions)
        message, self._questions = self._questions[:length], self._questions[length:]
        return message

    def answered(self, data: bytes) -> None:
        """Read what the server sends."""
        bare = min(self._bare_answers, len(data))
        self._bare_answers -= bare
        messages, self._answers = _typed(self._answers + data[bare:])
        for kind, body in messages:
            if (kind == b"C" and body.startswith(b"ROLLBACK")) or kind == b"E":
                self._undone = True
            elif kind == b"Z":
                self._ready(body)

    def _ready(self, status: bytes) -> None:
        self._traffic.round_trips += 1
        if status == _IDLE and self._open_statements:
            self._traffic.commits += not self._undone
            self._open_statements, self._undone = 0, False


def _typed(data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Split into whole messages, each a kind and a body, and what has not come whole yet."""
    messages, at = [], 0
    while len(data) - at >= 5:  # noqa: PLR2004 # a kind and a length
        (length,) = struct.unpack_from("!i", data, at + 1)
        if len(data) - at < length + 1:
            break
        messages.append((data[at : at + 1], data[at + 5 : at + 1 + length]))
        at += length + 1
    return messages, data[at:]


@contextlib.contextmanager
def tapped(url: str) -> Iterator[tuple[str, Wire]]:
    """Yield a URL that leads over a wire that is counted, and the wire."""
    there = make_url(url)
    wire = Wire(there.host or "127.0.0.1", there.port or 5432)
    here = there.set(host="127.0.0.1", port=wire.port)
    try:
        yield here.render_as_string(hide_password=False), wire
    finally:
        wire.close()

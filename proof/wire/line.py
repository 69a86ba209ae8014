"""One client's connection to the server, which fails where it is told to: between two messages."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from proof.wire.messages import Message, Splitter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Judge = Callable[[Message], "Strike | None"]

Kind = Literal["cut", "reset", "late", "delay", "hole"]
KINDS: Mapping[Kind, str] = {
    "cut": "both ends are closed before the message",
    "reset": "the client's end is reset before the message",
    "late": "the client's end is reset, and the server gets the message, and what followed, later",
    "delay": "the message comes late",
    "hole": "nothing comes through any more, and after a while the client's end is reset",
}
assert set(KINDS) == set(get_args(Kind))
_CHUNK = 1 << 16
# Closing a socket that lingers for no time sends RST and no FIN.
_NO_GOODBYE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens to a line, and how long it takes."""

    kind: Kind
    seconds: float = 0.0


class Line:
    """Passes messages on until the judge strikes; one thread serves both directions.

    So the order in which the judge sees messages is theirs, whichever way they go.
    """

    def __init__(self, client: socket.socket, server: socket.socket, judge: Judge) -> None:
        """Own both sockets from now on."""
        self._client, self._server, self._judge = client, server, judge
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._upward, self._downward = Splitter("to server"), Splitter("to client")

    def run(self) -> None:
        """Pass on what comes until either end closes or the line is struck down."""
        ways = {
            self._client: (self._server, self._upward),
            self._server: (self._client, self._downward),
        }
        with contextlib.suppress(OSError, ValueError), self._client, self._server:
            while True:
                readable, _, _ = select.select(list(ways), [], [])
                for source in readable:
                    data = source.recv(_CHUNK)
                    if not data or not self._pass_on(data, *ways[source]):
                        return

    def close(self) -> None:
        """End it from outside."""
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _pass_on(self, data: bytes, target: socket.socket, splitter: Splitter) -> bool:
        """Hand messages on; False where the line has ended."""
        messages = splitter.feed(data)
        begun = 0
        for place, message in enumerate(messages):
            strike = self._judge(message)
            if strike is not None:
                _send(target, messages[begun:place])
                begun = place
                if not self._survives(strike, messages[place:]):
                    return False
        _send(target, messages[begun:])
        if splitter.asked_encryption:
            splitter.asked_encryption = False
            self._downward.answers_awaited += 1
        return True

    def _survives(self, strike: Strike, rest: list[Message]) -> bool:
        """Do to the line what the strike says; True where it goes on afterwards."""
        if strike.kind in ("delay", "hole"):
            time.sleep(strike.seconds)
        if strike.kind == "delay":
            return True
        if strike.kind != "cut":
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_GOODBYE)
        self._client.close()
        if strike.kind == "late" and rest[0].direction == "to server":
            self._deliver_late(strike, rest)
        return False

    def _deliver_late(self, strike: Strike, rest: list[Message]) -> None:
        time.sleep(strike.seconds)
        _send(self._server, rest)
        self._server.shutdown(socket.SHUT_WR)  # it reads all of it before it sees the end
        while self._server.recv(_CHUNK):
            pass


def _send(target: socket.socket, messages: list[Message]) -> None:
    if messages:
        target.sendall(b"".join(one.data for one in messages))

"""A relay in front of the server that can lose the answer to a COMMIT."""

from __future__ import annotations

import contextlib
import socket
import threading
from threading import Event
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = 65536


class Relay:
    """Passes bytes on; once armed, cuts the connection after the server has answered a COMMIT."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self._server = (parsed.host or "127.0.0.1", parsed.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        relayed = parsed.set(host="127.0.0.1", port=port)
        self.url = relayed.render_as_string(hide_password=False)
        self._armed = False
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_the_next_answer_to_a_commit(self) -> None:
        """Cut the connection that commits next, when the server has answered."""
        self._armed = True

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                cut = Event()
                for work in (self._to_server, self._to_client):
                    threading.Thread(target=work, args=(client, server, cut), daemon=True).start()

    def _to_server(
        self, client: socket.socket, server: socket.socket, cut: threading.Event
    ) -> None:
        with contextlib.suppress(OSError), client, server:
            while piece := client.recv(_PIECE):
                if self._armed and b"COMMIT" in piece:
                    self._armed = False
                    cut.set()
                server.sendall(piece)

    def _to_client(
        self, client: socket.socket, server: socket.socket, cut: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := server.recv(_PIECE):
                if cut.is_set():
                    self.cuts += 1
                    break
                client.sendall(piece)
        for end in (client, server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def relayed(url: str) -> Iterator[Relay]:
    """Yield a relay in front of the server of this URL."""
    relay = Relay(url)
    yield relay
    relay.close()

"""A way to the server that can be cut at a chosen moment."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 16


class Proxy:
    """Hands bytes on in both directions, until it is told to swallow an answer and cut the line."""

    def __init__(self, host: str, port: int, at: int = 0) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", at))
        self._mark: bytes | None = None
        self._skip = 0
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where clients connect."""
        return int(self._listener.getsockname()[1])

    def swallow_next(self, answer: bytes, skip: int = 0) -> None:
        """Cut the connection on which the server next answers this, instead of handing it on."""
        self._mark, self._skip = answer, skip

    def close(self) -> None:
        """Accept no more."""
        # Closing alone would leave the thread that accepts waiting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                for source, target, answers in ((client, server, False), (server, client, True)):
                    threading.Thread(
                        target=self._pump, args=(source, target, answers), daemon=True
                    ).start()

    def _pump(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError), source, target:
            while data := source.recv(_CHUNK):
                if answers and self._is_marked(data):
                    break
                target.sendall(data)
            for end in (source, target):
                end.shutdown(socket.SHUT_RDWR)

    def _is_marked(self, data: bytes) -> bool:
        if self._mark is None or self._mark not in data:
            return False
        if self._skip:
            self._skip -= 1
            return False
        self._mark, self.cuts = None, self.cuts + 1
        return True


@contextlib.contextmanager
def proxied(url: str) -> Iterator[tuple[str, Proxy]]:
    """Yield a URL that leads through a proxy, and the proxy."""
    there = make_url(url)
    proxy = Proxy(there.host or "127.0.0.1", there.port or 5432)
    here = there.set(host="127.0.0.1", port=proxy.port)
    try:
        yield here.render_as_string(hide_password=False), proxy
    finally:
        proxy.close()

"""A proxy in front of the server, whose lines fail as a judge decides message by message."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.engine import make_url

from proof.wire.line import Line

if TYPE_CHECKING:
    from types import TracebackType

    from proof.wire.line import Judge, Strike
    from proof.wire.messages import Message

_HOST = "127.0.0.1"
_PATIENCE = 30.0


class Proxy:
    """Use as a context manager; `url` leads through it, and `judge` may be set at any time."""

    def __init__(self, url: str) -> None:
        """Listen at once; connect to the server of `url` for each client."""
        there = make_url(url)
        self._server = (there.host or _HOST, there.port or 5432)
        self._listener = socket.create_server((_HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = there.set(host=_HOST, port=self.port).render_as_string(hide_password=False)
        self.judge: Judge = _let_pass
        self._lines: set[Line] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def lines(self) -> int:
        """How many connections lead through it."""
        with self._lock:
            return len(self._lines)

    def wait_until_empty(self) -> None:
        """Wait for the end of all connections, those whose messages come late included."""
        deadline = time.monotonic() + _PATIENCE
        while self.lines:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.lines} connections are still open")
            time.sleep(0.001)

    def close(self) -> None:
        """Take no more connections, and end those that there are."""
        # Closing alone would leave the thread that accepts waiting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            lines = list(self._lines)
        for line in lines:
            line.close()

    def _ask_judge(self, message: Message) -> Strike | None:
        return self.judge(message)  # whoever that is by now

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: Any) -> None:
        try:
            server = socket.create_connection(self._server)
        except OSError:
            client.close()
            return
        line = Line(client, server, self._ask_judge)
        with self._lock:
            self._lines.add(line)
        try:
            line.run()
        finally:
            with self._lock:
                self._lines.discard(line)


def _let_pass(_message: Message) -> Strike | None:
    return None

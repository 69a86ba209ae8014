"""Listens where n8n would: what is posted here is kept, and answered as a test wants."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Answering = Callable[[dict[str, Any]], int]


@dataclass
class Listener:
    """What was posted so far: path, secret and body."""

    url: str
    answer: Answering
    posted: list[tuple[str, str | None, Any]] = field(default_factory=list)


@contextmanager
def listening(answer: Answering = lambda _: 200) -> Iterator[Listener]:
    """Listen on the loopback interface until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            listener.posted.append((self.path, self.headers["X-N8N-Secret"], body))
            status = listener.answer(body)
            if status:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:  # as where the connection breaks before the answer
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener = Listener(f"http://127.0.0.1:{server.server_port}/", answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

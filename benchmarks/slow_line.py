"""A line to the server with latency: every packet arrives so much later, and none is held back.

Packets are stamped as they come and sent on when their time has come, so that many can be under way
at once: the line is long, not narrow. In a process of its own, so that no contender shares its
interpreter lock.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK: Final = 1 << 16
_Packets = SimpleQueue[tuple[float, bytes]]


def serve(host: str, port: int, round_trip: float) -> None:
    """Listen, print the port, and lead connections to the server until the process is ended."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        server = socket.create_connection((host, port))
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, target in ((client, server), (server, client)):
            packets: _Packets = SimpleQueue()
            for work in (
                lambda s=source, p=packets: _receive(s, p, round_trip / 2),
                lambda t=target, p=packets: _send(t, p),
            ):
                threading.Thread(target=work, daemon=True).start()


def _receive(source: socket.socket, packets: _Packets, delay: float) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            packets.put((time.monotonic() + delay, data))
    packets.put((0.0, b""))


def _send(target: socket.socket, packets: _Packets) -> None:
    with contextlib.suppress(OSError), target:
        while True:
            due, data = packets.get()
            if not data:
                target.shutdown(socket.SHUT_RDWR)
                return
            time.sleep(max(due - time.monotonic(), 0.0))
            target.sendall(data)


@contextlib.contextmanager
def slowed(url: str, round_trip: float) -> Iterator[str]:
    """Yield a URL that leads over a line on which a round trip takes so many seconds longer."""
    there = make_url(url)
    command = [sys.executable, "-m", "benchmarks.slow_line", str(there.host), str(there.port)]
    line = subprocess.Popen(  # noqa: S603 # this module
        [*command, str(round_trip)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    try:
        assert line.stdout is not None
        here = there.set(host="127.0.0.1", port=int(line.stdout.readline()))
        yield here.render_as_string(hide_password=False)
    finally:
        line.kill()
        line.wait()
        if line.stdout is not None:
            line.stdout.close()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))

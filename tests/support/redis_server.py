"""A real Redis of the tests' own, on a free port, that keeps nothing."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE: Final = 30.0


def program() -> str | None:
    """Return the server's program, or None."""
    return shutil.which("redis-server")


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """Yield the URL of a server that lives as long as the block."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="exec_tracker-redis-") as folder:
        server = subprocess.Popen(
            [
                *(str(program()), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder),
                *("--save", "", "--appendonly", "no"),
            ],
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait_for(port, server)
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.kill()  # there is nothing to save
            server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        with contextlib.closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        alive = server.poll() is None and time.monotonic() < deadline
        assert alive, "redis-server did not start"
        time.sleep(0.02)


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

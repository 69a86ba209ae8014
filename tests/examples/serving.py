"""Examples as their readers run them: a server and workers, each a process of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

EXAMPLES: Final = ROOT / "examples"
_PATIENCE: Final = 90.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server says; `body` is read as JSON where there is any."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class Server:
    """An example that listens on the loopback interface."""

    url: str

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request, and return the answer whatever its status."""
        kind = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, {**kind, **headers})  # noqa: S310 # loopback
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 # as above
                return Answer(answer.status, _parsed(answer.read()))
        except urllib.error.HTTPError as refused:
            with refused:
                return Answer(refused.code, _parsed(refused.read()))


def _parsed(body: bytes) -> Any:
    return json.loads(body) if body else None


@contextmanager
def serving(example: str, log: Path, port: int = 0) -> Iterator[Server]:
    """Run an example's app until the block ends.

    It is given a socket that listens already: requests wait for it, and no port is raced for.
    """
    with socket.create_server(("127.0.0.1", port)) as listening:
        port = listening.getsockname()[1]
        options = ["--app-dir", str(EXAMPLES), "--fd", str(listening.fileno())]
        with log.open("ab") as written:
            child = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", f"{example}:app", *options],
                pass_fds=[listening.fileno()],
                stdout=written,
                stderr=written,
            )
    try:
        yield Server(f"http://127.0.0.1:{port}")
    finally:
        child.terminate()
        child.wait(_PATIENCE)


def run(example: str, *arguments: str) -> str:
    """Run an example's program to its end, and return what it prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{example}.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )
    sys.stderr.write(done.stderr)  # pytest shows it where the test fails
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines(path: Path) -> list[str]:
    """Return the effects so far: the lines of a file that need not be there yet."""
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

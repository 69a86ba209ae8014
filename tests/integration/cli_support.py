"""The command line as the tests call it: in this process, or as a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from exec_tracker.cli import app

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said, and its exit status."""

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


# Whoever starts the tests may ignore signals, as nohup and background jobs do; we inherit that.
_START = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
runpy.run_module("exec_tracker", run_name="__main__")
"""


class CommandLine:
    """`exec-tracker` with a database in its environment, or with none."""

    def __init__(self, url: str | None) -> None:
        variables = ("EXEC_TRACKER_DATABASE_URL", "DATABASE_URL", "COLUMNS")
        self.environment = {k: v for k, v in os.environ.items() if k not in variables}
        if url is not None:
            self.environment["EXEC_TRACKER_DATABASE_URL"] = url

    def __call__(self, *arguments: str) -> Answer:
        """Call it here: quick."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with (
            patch.dict(os.environ, self.environment, clear=True),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            status = app.run(arguments)
            out.flush()
            err.flush()
        return Answer(status, _content(out), _content(err).decode())

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start it as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-c", _START, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            **options,
        )

    def process(self, *arguments: str, **options: Any) -> Answer:
        """Run it as a process of its own, to its end."""
        return ended(self.start(*arguments, **options))


def ended(process: subprocess.Popen[bytes]) -> Answer:
    out, err = process.communicate(timeout=60)
    return Answer(process.returncode, out or b"", err.decode())


def _content(stream: io.TextIOWrapper) -> bytes:
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue()


def counting(effects: Path, then: str = "") -> list[str]:
    """Return a command that leaves a mark whenever it runs."""
    return ["sh", "-c", f"echo mark >> '{effects}'; {then}"]


def run(*command: str, key: str = "k-1", extra: tuple[str, ...] = ()) -> list[str]:
    return ["run", "--key", key, "--workflow", "nightly", *extra, "--", *command]


def marks(effects: Path) -> int:
    return len(effects.read_text().splitlines()) if effects.exists() else 0


def await_mark(effects: Path) -> None:
    deadline = time.monotonic() + 30
    while not marks(effects):
        assert time.monotonic() < deadline
        time.sleep(0.01)

"""Contenders' processes as the one who measures holds them: start, ask, end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from benchmarks.contenders import ENTRIES
from benchmarks.environments import NotInstallableError, python_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.server import BenchmarkServer

ROOT: Final = Path(__file__).parent.parent
_PATIENCE: Final = 1200.0
"""Seconds for one answer; the longest command makes a million executions in several parts."""


class LaneError(Exception):
    """A contender could not do what it was asked; the message is what it said."""


class Lane:
    """One contender in a process of its own; `close` ends it."""

    def __init__(self, name: str) -> None:
        self.entry = ENTRIES[name]
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 # closed with the lane
        self._process = subprocess.Popen(  # noqa: S603 # our own module
            [str(python_for(self.entry)), "-m", "benchmarks.lane", name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process, whose number is in its keys."""
        return self._process.pid

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send a command, wait for its answer, and raise LaneError where there is none."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps({"do": command, **arguments}) + "\n")
            stdin.flush()
            ready, _, _ = select.select([stdout], [], [], _PATIENCE)
            line = stdout.readline() if ready else ""
        except BrokenPipeError:
            line = ""
        if not line:
            raise LaneError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LaneError(answer["error"])
        return answer

    def close(self) -> None:
        """Have the contender close, and end the process in any case."""
        with contextlib.suppress(LaneError, OSError):
            self.ask("close")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                stream.close()

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = [line for line in self._log.read().splitlines() if line.strip()]
        return lines[-1] if lines else "it ended without a word"


def open_lanes(
    stack: ExitStack,
    server: BenchmarkServer,
    names: list[str],
    callers: int,
    over: Callable[[str], str] = lambda url: url,
) -> tuple[dict[str, Lane], dict[str, str]]:
    """Start and open contenders, each on its database; return them, and why others cannot run.

    `over` may lead a URL over another line.
    """
    lanes: dict[str, Lane] = {}
    absent: dict[str, str] = {}
    for name in names:
        try:
            lane = stack.enter_context(Lane(name))
            lane.ask("open", url=over(server.database_for(lane.entry)), callers=callers)
            lanes[name] = lane
        except (LaneError, NotInstallableError) as exc:
            absent[name] = str(exc)
    return lanes, absent

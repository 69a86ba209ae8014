"""One contender's process: reads commands as lines of JSON, answers each with a line of JSON.

Every contender has a process of its own, so that none shares an interpreter lock, a pool or a cache
with another, and its own environment. Nothing but the standard library is imported here.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, TextIO

from benchmarks.contenders import ENTRIES
from benchmarks.contenders.base import AsyncContender
from benchmarks.tasks import Tasks
from benchmarks.threads import Threads

if TYPE_CHECKING:
    from benchmarks.crew import Crew


def main() -> int:
    """Serve until the input ends or `close` is said."""
    answers = _keep_standard_output()
    crew = _crew(sys.argv[1])
    for line in sys.stdin:
        command: dict[str, Any] = json.loads(line)
        name = command.pop("do")
        try:
            answer = getattr(crew, name)(**command)
        except Exception as exc:  # noqa: BLE001 # whatever a contender raises is its result
            traceback.print_exc()
            answer = {"error": f"{type(exc).__name__}: {exc}".splitlines()[0]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if name == "close":
            break
    return 0


def _crew(name: str) -> Crew:
    contender = ENTRIES[name].make()
    if isinstance(contender, AsyncContender):
        return Tasks(contender)
    return Threads(contender)


def _keep_standard_output() -> TextIO:
    """Keep standard output for answers; what a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


if __name__ == "__main__":
    # A library may leave threads behind that never end.
    status = main()
    sys.stderr.flush()
    os._exit(status)

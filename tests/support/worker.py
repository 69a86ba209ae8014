"""A process of its own that works under keys, as a host's workers do; driven by its arguments.

`python -m tests.support.worker TASK JSON` prints `begun` lines while it works and ends with one
line of JSON that says what came of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exec_tracker import ExecTrackerError, LeaseLostError
from tests.support.deliveries import read_deliveries
from tests.support.executors import options
from tests.support.subjects import Subject, open_subject

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


def start(task: str, **arguments: Any) -> subprocess.Popen[str]:
    """Start a worker."""
    command = [sys.executable, "-m", "tests.support.worker", task, json.dumps(arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def outcome(worker: subprocess.Popen[str]) -> Any:
    """Wait for a worker's end and return what it said last."""
    said, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0, said
    return json.loads(said.splitlines()[-1])


def wait_until_begun(worker: subprocess.Popen[str]) -> None:
    """Block until the worker's function has begun."""
    assert worker.stdout is not None
    assert worker.stdout.readline() == "begun\n"


def effect(path: str, seconds: float = 0.0) -> Callable[[], str]:
    """Return a function whose effect is a line in a file, and takes a while."""

    def happen() -> str:
        print("begun", flush=True)  # noqa: T201 # its parent listens
        with Path(path).open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(seconds)
        return f"done by {os.getpid()}"

    return happen


def attempt(subject: Subject, key: str, user: str, function: Any, **settings: Any) -> Any:
    """Execute and say in JSON what came of it."""
    try:
        return {"data": subject.execute_idempotent(options(key, user), function, **settings)}
    except LeaseLostError as exc:
        return {"error": "LeaseLostError", "result": exc.result}
    except ExecTrackerError as exc:
        return {"error": type(exc).__name__}


def run(
    driver: str,
    url: str,
    user: str,
    key: str,
    effects: str,
    *,
    seconds: float = 0.0,
    lease: float = 60.0,
    on_running: str = "raise",
) -> Any:
    """Run one effect under a key."""
    with open_subject(driver, url, lease=timedelta(seconds=lease)) as subject:
        function = effect(effects, seconds)
        return attempt(subject, key, user, function, on_running=on_running)


def many(driver: str, url: str, user: str, keys: list[str], folder: str) -> Any:
    """Run effects under all keys, waiting for those that others run."""
    with open_subject(driver, url) as subject:
        return [
            attempt(subject, key, user, effect(f"{folder}/{key}", 0.002), on_running="wait")
            for key in keys
        ]


def fork(
    driver: str,
    url: str,
    user: str,
    key: str,
    effects: str,
    *,
    children: int,
    own_engine: bool,
    seconds: float,
    lease: float,
) -> Any:
    """Use a tracker, then fork; all children use it under the same fresh key."""
    with open_subject(
        driver, url, own_engine=own_engine, lease=timedelta(seconds=lease)
    ) as subject:
        subject.execute(options("before", user), lambda: None)
        pids = []
        for _ in range(children):
            pid = os.fork()
            if pid == 0:
                _be_forked(subject, user, key, effect(effects, seconds))
            pids.append(pid)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        parent = attempt(subject, key, user, effect(effects))
        return {"parent": parent, "children": codes}


def _be_forked(subject: Subject, user: str, key: str, function: Any) -> None:
    """Exit with 0 where the forked child got the outcome."""
    code = 1
    try:
        subject.go_on_forked()
        said = attempt(subject, key, user, function, on_running="wait")
        print(said, file=sys.stderr, flush=True)  # noqa: T201 # shown where the test fails
        code = 0 if "data" in said else 2
    finally:
        os._exit(code)


def replay(driver: str, url: str, user: str, path: str | None) -> Any:
    """Replay a file of deliveries and compare every outcome with what was delivered."""
    runs: list[str] = []
    equal = 0
    with open_subject(driver, url) as subject:
        for delivery in read_deliveries(path):
            asked = options(delivery["delivery"], user, parameters=delivery)
            done = subject.execute(asked, lambda: runs.append("ran"))
            equal += done.data == delivery and done.execution.parameters == delivery
    return {"equal": equal, "runs": len(runs)}


TASKS: dict[str, Callable[..., Any]] = {"run": run, "many": many, "fork": fork, "replay": replay}

if __name__ == "__main__":
    answer = TASKS[sys.argv[1]](**json.loads(sys.argv[2]))
    print(json.dumps(answer), flush=True)  # noqa: T201 # its parent listens

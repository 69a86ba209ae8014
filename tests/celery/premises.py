"""Where the shop works: its database, its queue, its folder, and workers that can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from celery import Celery
from celery.backends.redis import RedisBackend
from sqlalchemy.engine import make_url

from exec_tracker import ExecutionTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exec_tracker import Execution

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0


def wait_until(
    holds: Callable[[], Any], what: str, said: Callable[[], str] = lambda: "nothing"
) -> Any:
    """Block until something holds, and return it."""
    deadline = time.monotonic() + PATIENCE
    while not (held := holds()):
        assert time.monotonic() < deadline, f"waited in vain for {what}; said was: {said()}"
        time.sleep(0.02)
    return held


class Process:
    """A program in a process group of its own, with what it says."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("w") as said:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text()

    def wait_until_ready(self) -> None:
        """Block until a worker takes work."""
        wait_until(lambda: " ready." in self.log or self.process.poll() is not None, "a worker")
        assert self.process.poll() is None, self.log

    def kill(self) -> None:
        """Kill it with its children, whatever they do."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Worker(Process):
    """A `celery worker` of the shop."""

    def __init__(self, settings: dict[str, Any], *options: str) -> None:
        name = uuid4().hex
        command = [
            *(sys.executable, "-m", "celery", "-A", "tests.celery.shop", "worker"),
            *("--loglevel", "INFO", "--without-mingle", "--without-gossip", "--without-heartbeat"),
            *("--hostname", f"{name}@test", *options),
        ]
        environment = {**os.environ, "SHOP": json.dumps(settings)}
        super().__init__(command, environment, Path(settings["folder"]) / f"{name}.log")


class Sent:
    """A task that was sent, as the result backend knows it.

    Not Celery's AsyncResult, which subscribes to the broker and outlives it here.
    """

    def __init__(self, backend: Any, task_id: str) -> None:
        self.id = task_id
        self._backend = backend

    @property
    def state(self) -> str:
        """Where the task stands."""
        return str(self._backend.get_task_meta(self.id, cache=False)["status"])

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is to come."""
        return self.state in {"SUCCESS", "FAILURE"}

    @property
    def result(self) -> Any:
        """What it returned, or raised."""
        return self._backend.get_task_meta(self.id, cache=False)["result"]

    def forget(self) -> None:
        """Make room for the result of another delivery under this id."""
        self._backend.delete(self._backend.get_key_for_task(self.id))


class Premises:
    """One shop: what a test may send, release, count and look at."""

    def __init__(self, broker: str, database_url: str, visibility_timeout: float) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="exec_tracker-shop-")
        self.folder = Path(self._folder.name)
        self.database_url = make_url(database_url)
        self.tracker = ExecutionTracker(database_url)
        self.user_id: UUID = uuid4()
        self.tracker.ensure_user(self.user_id)
        self._settings = {
            "broker": broker,
            "queue": uuid4().hex,
            "folder": str(self.folder),
            "user_id": str(self.user_id),
            "database_url": database_url,
            "visibility_timeout": visibility_timeout,
        }
        self.app = Celery(broker=broker, set_as_current=False)
        self._backend = RedisBackend(app=self.app, url=broker)
        self.app.conf.task_default_queue = self._settings["queue"]
        self.workers: list[Worker] = []

    def hire(self, *options: str, more: int = 1) -> list[Worker]:
        """Start workers, and wait until they are ready."""
        hired = [Worker(self._settings, *options) for _ in range(more)]
        self.workers += hired
        for worker in hired:
            worker.wait_until_ready()
        return hired

    def send(self, task: str, *args: Any, key: str | None = None, **options: Any) -> Sent:
        """Send a task, with a task id of the test's choice."""
        sent = self.app.send_task(task, args, task_id=key, **options)
        return Sent(self._backend, sent.id)

    def outcome(self, sent: Sent) -> Any:
        """Wait for the end of a task, and return its result or its exception."""
        wait_until(lambda: sent.has_ended, "the end of a task", self.said)
        return sent.result

    def effects(self, name: str) -> int:
        """Count what has happened."""
        path = self.folder / f"{name}.effects"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def wait_until_begun(self, name: str) -> None:
        """Block until a held task has begun."""
        wait_until((self.folder / f"{name}.begun").exists, f"{name} to begin", self.said)

    def kill_child(self, name: str) -> None:
        """Kill the process in which a held task runs."""
        os.kill(int((self.folder / f"{name}.begun").read_text()), signal.SIGKILL)

    def release(self, name: str) -> None:
        """Let a held task go on."""
        (self.folder / f"{name}.go").touch()

    def execution(self, key: str) -> Execution:
        """Return the row under a key."""
        found = self.tracker.get_execution(key)
        assert found is not None
        return found

    def said(self) -> str:
        """Return what all workers have said."""
        return "\n".join(worker.log for worker in self.workers)

    def close(self) -> None:
        """End everything."""
        for worker in self.workers:
            worker.kill()
        self.tracker.close()
        self.app.close()
        self._folder.cleanup()


@contextmanager
def premises(
    broker: str, database_url: str, *, visibility_timeout: float = 3600
) -> Iterator[Premises]:
    """Yield a shop that closes after the block."""
    with ExitStack() as closing:
        made = Premises(broker, database_url, visibility_timeout)
        closing.callback(made.close)
        yield made

"""What all tasks of the tests share: the app, its settings, and what they do.

Everything a worker needs to know is in one variable of its environment. Every effect is a line in a
file, so that it is counted outside of workers and tracker.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from uuid import UUID

from celery import Celery

from exec_tracker import ExecutionTracker
from exec_tracker.integrations.celery import IdempotentTask

SETTINGS = json.loads(os.environ["SHOP"])
FOLDER = Path(SETTINGS["folder"])
USER = UUID(SETTINGS["user_id"])
PATIENCE = 90.0

app = Celery("shop", broker=SETTINGS["broker"], backend=SETTINGS["broker"])
app.conf.update(
    task_default_queue=SETTINGS["queue"],
    worker_prefetch_multiplier=1,
    broker_transport_options={
        "visibility_timeout": SETTINGS["visibility_timeout"],
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    },
)


def make_tracker() -> ExecutionTracker:
    with (FOLDER / "trackers").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return ExecutionTracker(SETTINGS["database_url"])


class Shop(IdempotentTask):
    """What the tasks have in common."""

    abstract = True
    user_id = USER
    tracker = make_tracker
    # With none, Celery's note of a retry may come after the retry's result.
    default_retry_delay = 0.5


def happen(name: str) -> int:
    """Make the effect happen, and return how often it has."""
    path = FOLDER / f"{name}.effects"
    with path.open("a") as file:
        file.write(f"{os.getpid()}\n")
    return len(path.read_text().splitlines())


def hold(name: str) -> None:
    """Say that it has begun, and wait until the test lets it go on."""
    (FOLDER / f"{name}.begun").write_text(str(os.getpid()))
    deadline = time.monotonic() + PATIENCE
    while not (FOLDER / f"{name}.go").exists():
        if time.monotonic() > deadline:
            raise AssertionError("the test never let it go on")
        time.sleep(0.02)

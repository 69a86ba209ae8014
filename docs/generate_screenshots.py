"""Take pictures of the command line at work: `python docs/generate_screenshots.py [NAME...]`.

They go to docs/images, or to the folder that EXEC_TRACKER_IMAGES names. The database is the one in
EXEC_TRACKER_DATABASE_URL, which must be empty and migrated, or a private one.
"""
# ruff: noqa: INP001 # a program beside the pages

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from _generate.terminal import drawn, screens, typed

from exec_tracker import ExecuteOptions, ExecutionTracker, migrations
from exec_tracker.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

URL: Final = "EXEC_TRACKER_DATABASE_URL"
TARGET: Final = Path(os.environ.get("EXEC_TRACKER_IMAGES", Path(__file__).parent / "images"))
ADA: Final = UUID("5f0c1d62-9a56-4b53-8f43-1a3b2f6f9a10")


def shot(name: str, command: str, lines: list[str]) -> None:
    """Write one picture: the command as it is typed, and what stands below it."""
    prompt = f"\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m"
    while lines and not lines[-1].strip():
        lines.pop()
    TARGET.mkdir(parents=True, exist_ok=True)
    picture = drawn([prompt, *lines], name)
    (TARGET / f"{name}.svg").write_text(picture, encoding="utf-8")


def run(command: str, url: str) -> list[list[str]]:
    """Run a command, and return what stood in the terminal whenever that was about to change."""
    program = [sys.executable, "-m", *command.replace("-", "_", 1).split()]
    return list(screens(typed(program, {URL: url} if url else {})))


def demo(_: str) -> None:
    """Deliver webhooks many times, and kill a process."""
    command = "exec-tracker demo"
    shot("demo", command, run(command, "")[-1])


def look(url: str) -> None:
    """List executions in every state."""
    with ExecutionTracker(url) as tracker:
        tracker.ensure_user(ADA)
        tracker.execute(options("order-1041"), lambda: {"charge": "ch_1041"})
        with suppress(ConnectionError):
            tracker.execute(options("order-1042"), refuse)
        tracker.create_execution(options("order-1043"))
        tracker.mark_running("order-1043", lease=timedelta(milliseconds=1))
        tracker.create_execution(options("order-1044"))
        tracker.mark_running("order-1044", lease=timedelta(hours=1))
        tracker.create_execution(options("order-1045"))
    for name, command in (
        ("list", "exec-tracker list --workflow charge"),
        ("abandoned", "exec-tracker abandoned"),
        ("attempts", "exec-tracker attempts order-1042"),
    ):
        shot(name, command, run(command, url)[-1])


def watch(url: str) -> None:
    """Follow an execution to its end, in place."""
    command = "exec-tracker watch invoice-2024-07"
    begun, watched = threading.Event(), threading.Event()

    def send_invoices() -> dict[str, int]:
        begun.set()
        watched.wait(2)
        return {"sent": 312}

    with ExecutionTracker(url) as tracker:
        tracker.ensure_user(ADA)
        asked = options("invoice-2024-07", "invoices")
        working = threading.Thread(target=tracker.execute, args=(asked, send_invoices))
        working.start()
        begun.wait()
        seen = run(command, url)
        working.join()
    later = "\x1b[2m… and later, in the same place:\x1b[0m"
    shot("watch", command, [*seen[0], later, "", *seen[-1]])


def options(key: str, workflow: str = "charge") -> ExecuteOptions:
    """Return what names an execution."""
    return ExecuteOptions(idempotency_key=key, workflow_id=workflow, user_id=ADA)


def refuse() -> None:
    """Fail as a payment provider may."""
    raise ConnectionRefusedError("the provider does not answer")


SCENES: Final[dict[str, Callable[[str], None]]] = {"demo": demo, "look": look, "watch": watch}


@contextmanager
def database() -> Iterator[str]:
    """Yield the URL of a migrated database."""
    if URL in os.environ:
        yield os.environ[URL]
        return
    with EmbeddedPostgres() as server:
        migrations.upgrade(server.url)
        yield server.url


def main() -> None:
    """Take the pictures that are asked for, or all."""
    with database() as url:
        for name in sys.argv[1:] or SCENES:
            SCENES[name](url)


if __name__ == "__main__":
    main()

"""The processes of the demo: started, listened to, and one of them killed."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final, Self

from pydantic import ValidationError

from exec_tracker.cli.demo.messages import Message

if TYPE_CHECKING:
    from exec_tracker.cli.demo.messages import Assignment

__all__ = ["Crew", "Member"]

_COMMAND: Final = [sys.executable, "-m", "exec_tracker.cli.demo.worker"]


class Member:
    """One process and its pipes."""

    def __init__(self, assignment: Assignment) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            process_group=0,  # an interrupt from the keyboard is the demo's to handle
        )
        self._write(assignment.model_dump_json())

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def reports(self) -> IO[str]:
        """What it writes, to its end."""
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        return self._process.stdout

    def begin(self) -> None:
        """Have it start delivering."""
        self._write("begin")

    def kill(self) -> None:
        """End it with SIGKILL, which it can neither see nor handle."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Close its pipes; only after it has ended and its reports were read."""
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended already, which its reports will show


class Crew:
    """All processes of one demo; at the end of the with block none of them is left."""

    def __init__(self) -> None:
        self._reports: queue.SimpleQueue[tuple[Member, Message | None]] = queue.SimpleQueue()
        self._listeners: list[threading.Thread] = []
        self._members: list[Member] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            member.kill()
        for listener in self._listeners:
            listener.join()
        for member in self._members:
            member.close()

    def hire(self, assignment: Assignment) -> Member:
        """Start a process; it prepares itself and waits for its `begin`."""
        member = Member(assignment)
        listener = threading.Thread(target=self._listen, args=(member,), daemon=True)
        self._members.append(member)
        self._listeners.append(listener)
        listener.start()
        return member

    def next_report(self) -> tuple[Member, Message | None]:
        """Wait for a report of any process; None where it has ended."""
        return self._reports.get()

    def _listen(self, member: Member) -> None:
        # What a killed process left half written says nothing.
        with suppress(ValidationError):
            for line in member.reports:
                self._reports.put((member, Message.model_validate_json(line)))
        self._reports.put((member, None))

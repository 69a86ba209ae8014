"""The outside world of the demo: a file that only grows, one line for each effect.

The tracker knows nothing of it. So it can count what really happened, and a verifier can look
there for what became of a process that died.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from exec_tracker.cli.faults import CommandLineError
from exec_tracker.cli.statuses import ExitStatus

__all__ = ["EffectsFile"]


@dataclass(frozen=True, slots=True)
class EffectsFile:
    """Shared by all processes: appending is one write, flushed to disk before it returns."""

    path: Path

    def create(self) -> None:
        """See to it that the file is there, keeping what it holds."""
        try:
            with self.path.open("ab"):
                pass
        except OSError as exc:
            raise CommandLineError(
                f"{self.path}: cannot be written: {exc.strerror}", ExitStatus.NOT_FOUND
            ) from None

    def append(self, key: str) -> None:
        """Have one effect; nothing here prevents a second one for the same key."""
        line = json.dumps({"key": key, "process": os.getpid()}) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def count(self) -> Counter[str]:
        """Count the effects of every key."""
        try:
            with self.path.open(encoding="utf-8") as lines:
                return Counter(str(json.loads(line)["key"]) for line in lines)
        except (ValueError, KeyError, TypeError):
            raise CommandLineError(
                f"{self.path}: not an effects file of this demo; name a new file"
            ) from None

    def holds(self, key: str) -> bool:
        """Tell whether a key had an effect."""
        return self.count()[key] > 0

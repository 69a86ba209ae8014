"""What each process saw, on files that no fault strikes: effects that happened, answers it got."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proof.auditing import Story

if TYPE_CHECKING:
    from pathlib import Path

_EFFECT, _ANSWER, _ERROR, _BROKEN = "e", "a", "r", "b"


class Journal:
    """One process's file; each line is one write, which a kill leaves whole or undone."""

    def __init__(self, folder: Path, process: str) -> None:
        """Open a file of this process's own."""
        self._file = os.open(folder / process, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def effect(self, key: str, run: str) -> None:
        """Have an effect: the line itself is what must not happen twice."""
        self._write(_EFFECT, key, run)

    def answer(self, key: str, run: str) -> None:
        """Note what a caller was told."""
        self._write(_ANSWER, key, run)

    def error(self, name: str) -> None:
        """Note what a caller heard instead."""
        self._write(_ERROR, name, "")

    def broken(self, what: str) -> None:
        """Note what must not happen at all."""
        self._write(_BROKEN, what.replace("\n", " ").replace("\t", " "), "")

    def _write(self, kind: str, one: str, other: str) -> None:
        os.write(self._file, f"{kind}\t{one}\t{other}\n".encode())


@dataclass(slots=True)
class Read:
    """All journals of one round."""

    stories: dict[str, Story] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def story(self, key: str) -> Story:
        """Return the story of a key, begun where there was none."""
        return self.stories.setdefault(key, Story())


def read(folder: Path) -> Read:
    """Read what all processes of a round have written."""
    found = Read()
    for path in sorted(folder.iterdir()):
        for line in path.read_text(encoding="utf-8").splitlines():
            kind, one, other = line.split("\t")
            if kind == _EFFECT:
                found.story(one).runs.append(other)
            elif kind == _ANSWER:
                found.story(one).told.append(other)
            elif kind == _ERROR:
                found.errors[one] += 1
            else:
                found.broken.append(one)
    return found

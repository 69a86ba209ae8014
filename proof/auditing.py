"""Compare what callers were told with what happened and with what is stored, key by key."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# More would not be read.
_SHOWN = 20


@dataclass(slots=True)
class Story:
    """What is known of one key from outside: which runs had their effect, and who was told what.

    A run is known by a number or word of its own, which is part of its result.
    """

    runs: list[Any] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)
    may_repeat: bool = False


@dataclass(slots=True)
class Audit:
    """What came of an audit; `problems` names the first keys that broke a promise."""

    keys: int = 0
    executions: int = 0
    effects: int = 0
    answers: int = 0
    duplicates: int = 0
    losses: int = 0
    unresolved: int = 0
    repeated_as_asked: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, other: Audit) -> None:
        """Count another audit in."""
        for name in ("keys", "executions", "effects", "answers", "duplicates", "losses"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.unresolved += other.unresolved
        self.repeated_as_asked += other.repeated_as_asked
        self.problems += other.problems[:_SHOWN]

    def note(self, problem: str) -> None:
        """Remember a problem, if there are not too many already."""
        if len(self.problems) < _SHOWN:
            self.problems.append(problem)


def audit(stories: Mapping[str, Story], stored: Mapping[str, tuple[str, Any]]) -> Audit:
    """Judge every key; `stored` gives the status and the run of the stored result."""
    found = Audit(keys=len(stories))
    for key, story in stories.items():
        status, run = stored.get(key, ("absent", None))
        found.executions += status == "completed"
        found.effects += len(story.runs)
        found.answers += len(story.told)
        _judge_effects(found, key, story)
        _judge_answers(found, key, story, run if status == "completed" else None)
        if status != "completed":
            found.unresolved += 1
            found.note(f"{key} is {status} in the end")
        elif run not in story.runs:
            found.losses += 1
            found.note(f"{key} has the result of {run}, whose effect is not there: {story.runs}")
    return found


def _judge_effects(found: Audit, key: str, story: Story) -> None:
    again = len(story.runs) - 1
    if again > 0 and story.may_repeat:
        found.repeated_as_asked += again
    elif again > 0:
        found.duplicates += again
        found.note(f"{key} had {again + 1} effects: {story.runs}")


def _judge_answers(found: Audit, key: str, story: Story, run: Any) -> None:
    """Count as lost an answer that was given and is not what is stored."""
    others = Counter(told for told in story.told if told != run)
    if others:
        found.losses += 1
        found.note(f"{key}: callers were told {dict(others)}, and {run} is stored")

"""Count what the processes report, and judge by what the outside world has seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exec_tracker.cli.demo.messages import News

if TYPE_CHECKING:
    from exec_tracker.cli.demo.crew import Member
    from exec_tracker.cli.demo.messages import Message, Moment

__all__ = ["Kill", "Tally"]

_ANSWERS = (News.EXECUTED, News.REPLAYED, News.FOUND)


@dataclass(frozen=True, slots=True)
class Kill:
    """A process that was killed, and what it was doing."""

    pid: int
    key: str
    moment: Moment


@dataclass(slots=True)
class Tally:
    """What has happened so far; `effects` is counted outside the tracker, at the end."""

    deliveries: int
    keys: list[str]
    counts: Counter[News] = field(default_factory=Counter)
    answered: Counter[Member] = field(default_factory=Counter)
    verdicts: dict[str, News] = field(default_factory=dict)
    kills: list[Kill] = field(default_factory=list)
    effects: Counter[str] = field(default_factory=Counter)

    def note(self, member: Member, message: Message) -> None:
        """Count one report."""
        self.counts[message.news] += 1
        if message.news in _ANSWERS:
            self.answered[member] += 1
        if message.news in (News.FOUND, News.NOT_FOUND):
            self.verdicts[message.key] = message.news

    @property
    def calls(self) -> int:
        """How often the tracker was asked to execute something."""
        asked = sum(self.counts[news] for news in (*_ANSWERS, News.REFUSED, News.LOST))
        return asked + len(self.kills)

    @property
    def executions(self) -> int:
        """How often the function ran, the killed one included."""
        return self.counts[News.EXECUTED] + len(self.kills)

    @property
    def fewest(self) -> int:
        """The fewest effects any key had."""
        return min(self.effects[key] for key in self.keys)

    @property
    def most(self) -> int:
        """The most effects any key had."""
        return max(self.effects[key] for key in self.keys)

    @property
    def undecided(self) -> list[Kill]:
        """Kills after which nobody has found out what happened."""
        return [kill for kill in self.kills if kill.key not in self.verdicts]

    @property
    def holds(self) -> bool:
        """Whether every key had exactly one effect, and every replay was equal."""
        exactly_one = self.fewest == self.most == 1
        return exactly_one and not self.counts[News.UNEQUAL] and not self.undecided

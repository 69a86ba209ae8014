"""What a search is about: a starting state, who acts, and what may go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proof.cast import TIME_PASSES
from proof.cooperation import Turn

if TYPE_CHECKING:
    from proof.cast import Role

Choice = tuple[int, Turn]
# Statements that wait for a row that somebody else has locked; renewals and purges skip it.
_WAITING = frozenset(
    {
        "complete_claim",
        "fail_claim",
        "insert_execution",
        "take_over",
        "continue_claim",
        "complete_unclaimed",
        "fail_unclaimed",
        "reset_execution",
        "erase_execution",
        "delete_execution",
    }
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A starting state, who acts, and how many faults may strike whom."""

    state: str
    roles: tuple[Role, ...]
    faults: tuple[Turn, ...] = ()
    victims: frozenset[str] = frozenset()
    guard: bool = True

    @property
    def name(self) -> str:
        """How reports call it."""
        return f"{self.state}: {', '.join(role.name for role in self.roles)}"


def may_wait(label: str) -> bool:
    """Tell whether the turn after this gate may come to wait for another's lock."""
    return label == TIME_PASSES or label in _WAITING

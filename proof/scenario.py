"""What a search is about: a starting state, who acts, and what may go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proof.cooperation import Turn

if TYPE_CHECKING:
    from proof.roles import Role

Choice = tuple[int, Turn]


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

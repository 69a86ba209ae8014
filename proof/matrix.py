"""Every scenario of the search, in the order in which a bounded run gets through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proof.cast import MODES, contender, further_actors
from proof.scenario import Scenario
from proof.stage import STATES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proof.cast import Role
    from proof.cooperation import Turn

# From few schedules to many, so that a run that ends early has tried the most scenarios.
_STATES = (
    "completed",
    "failed, final",
    "running, live",
    "absent",
    "failed, unknown",
    "pending",
    "failed, retryable",
    "running, expired",
)
FAULTS: tuple[Turn, ...] = ("vanish", "drop", "cut", "refuse")
NOBODY, FAULT, FIRST_RAISES, HOST_ROLLS_BACK = (
    "nobody",
    "a fault of the first's",
    "the first's function raises",
    "the first's host rolls back",
)
assert set(_STATES) == set(STATES)


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario by the names that tables give it; small enough to be sent to a process."""

    mode: str
    state: str
    further: str

    def scenario(self) -> Scenario:
        """Make it."""
        roles: tuple[Role, ...] = (contender("A", self.mode), contender("B", self.mode))
        if self.further == FIRST_RAISES:
            return Scenario(self.state, (contender("raises", self.mode, "raises"), roles[1]))
        if self.further == HOST_ROLLS_BACK:
            return Scenario(self.state, (contender("A", self.mode, "rolls back"), roles[1]))
        if self.further == FAULT:
            return Scenario(self.state, roles, FAULTS, frozenset({"A"}))
        if self.further != NOBODY:
            roles += (further_actors()[self.further],)
        return Scenario(self.state, roles)


def cases() -> Iterator[Case]:
    """Yield all cases, those of two contenders first."""
    alone = (NOBODY, FIRST_RAISES, HOST_ROLLS_BACK, FAULT)
    for further in (*alone, *further_actors()):
        for state in _STATES:
            for mode in MODES:
                if further == "owner" and not state.startswith("running"):
                    continue  # there is no owner who could be late
                if further == HOST_ROLLS_BACK and mode != "host's session":
                    continue
                yield Case(mode, state, further)

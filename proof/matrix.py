"""Every scenario of the search, in the order in which a bounded run gets through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proof.cast import further_actors
from proof.contenders import batcher, contender, verifier
from proof.roles import MODES
from proof.scenario import Scenario
from proof.stage import STATES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proof.cooperation import Turn
    from proof.roles import Role

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
FAULTS: tuple[Turn, ...] = ("vanish", "drop", "cut", "refuse", "interrupt")
NOBODY, FAULT, FIRST_RAISES, FIRST_INTERRUPTED, HOST_ROLLS_BACK, TAKER, VERIFIER, BATCH, THIRD = (
    "nobody",
    "a fault of the first's",
    "the first's function raises",
    "the first's function is interrupted",
    "the first's host rolls back",
    "a taker over, interrupted",
    "a verifier, interrupted",
    "a fault of a batch's",
    "a third contender",
)
# Who comes to three contenders; of the orders that make no difference, one is tried.
_FOURTH = ("heartbeat", "clock", "purge", "reset", "delete")
assert set(_STATES) == set(STATES)
_FIRST = {
    FIRST_RAISES: ("raises", "raises"),
    FIRST_INTERRUPTED: ("interrupted", "interrupted"),
    HOST_ROLLS_BACK: ("A", "rolls back"),
}
# Which faults strike the first contender, and who that is where it is no contender in the mode.
_STRUCK: dict[str, tuple[tuple[Turn, ...], Role | None]] = {
    FAULT: (FAULTS, None),
    TAKER: (("interrupt",), contender("A", "at least once")),
    VERIFIER: (("interrupt",), verifier("A", "it did not")),
    BATCH: (FAULTS, batcher("A")),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario by the names that tables give it; small enough to be sent to a process."""

    mode: str
    state: str
    further: str
    fourth: str = ""

    def scenario(self) -> Scenario:
        """Make it."""
        name, behaviour = _FIRST.get(self.further, ("A", "returns"))
        first, second = contender(name, self.mode, behaviour), contender("B", self.mode)
        if self.further in _STRUCK:
            faults, role = _STRUCK[self.further]
            return Scenario(self.state, (role or first, second), faults, frozenset({"A"}))
        return Scenario(self.state, (first, second, *self._others()))

    def _others(self) -> Iterator[Role]:
        if self.further == THIRD:
            yield contender("C", self.mode)
        for name in (self.further, self.fourth):
            if name in further_actors():
                yield further_actors()[name]


def cases() -> Iterator[Case]:
    """Yield all cases, those of two contenders first."""
    first = (NOBODY, FIRST_RAISES, FIRST_INTERRUPTED, HOST_ROLLS_BACK)
    for further in (*first, *_STRUCK, *further_actors()):
        for state in _STATES:
            for mode in MODES:
                if further == "owner" and not state.startswith("running"):
                    continue  # there is no owner who could be late
                if further == HOST_ROLLS_BACK and mode != "host's session":
                    continue
                yield Case(mode, state, further)


def cases_of_three() -> Iterator[Case]:
    """Yield the cases of three contenders, alone and with a further actor."""
    for fourth in ("", *_FOURTH):
        for state in _STATES:
            for mode in MODES:
                yield Case(mode, state, THIRD, fourth)

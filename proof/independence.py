"""Which turns make no difference to each other: of their orders the reduced search tries one.

What a turn touched is observed when it is taken: whose turns it moved, what it did to the row, and
whether it changed the leases that are held. Two turns that touched nothing in common lead to the
same state in either order, and no promise can tell the orders apart, since promises are about what
is committed. In doubt turns depend on each other: then nothing is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from proof.labels import ENDS, READS, RUNS, SEES, is_statement

if TYPE_CHECKING:
    from proof.scenario import Choice
    from proof.stage import Observation
    from proof.world import Actor, World


class Touch(Enum):
    """What a turn does to the row."""

    NOTHING = "nothing"
    RUN = "counts a run, which others may have licensed"
    READ = "reads what is committed"
    TRY = "reads under a lock, or writes what nobody sees yet"
    COMMIT = "makes what it wrote seen, and lets go of locks"
    ALL = "anything"


_CONFLICTS = frozenset(
    frozenset(pair)
    for pair in (
        (Touch.TRY, Touch.TRY),
        (Touch.TRY, Touch.COMMIT),
        (Touch.READ, Touch.COMMIT),
        (Touch.RUN, Touch.COMMIT),
        (Touch.COMMIT, Touch.COMMIT),
    )
)


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one turn touched."""

    touch: Touch
    moved: frozenset[int]
    sees_leases: bool
    changes_leases: bool

    def is_independent_of(self, other: Footprint) -> bool:
        """Tell whether the order of the two makes no difference."""
        touches = (self.touch, other.touch)
        leases = (self.changes_leases or self.sees_leases) and other.changes_leases
        leases |= self.changes_leases and other.sees_leases
        return not (
            Touch.ALL in touches
            or self.moved & other.moved
            or frozenset(touches) in _CONFLICTS
            or leases
        )


class Witness:
    """Looks at everybody before a turn, and tells afterwards what it touched."""

    def __init__(self, world: World, choice: Choice, seen: Observation) -> None:
        """Remember how everybody stands."""
        self._world = world
        self._choice = choice
        self._seen = seen.essence()
        self._label = world.actors[choice[0]].turns.label
        self._stood = [_standing(actor) for actor in world.actors]
        self._held = set(world.leases.held)

    def footprint(self, seen: Observation) -> Footprint:
        """Compare with how they stand now."""
        index, _ = self._choice
        moved = {
            number
            for number, (actor, stood) in enumerate(
                zip(self._world.actors, self._stood, strict=False)
            )
            if _standing(actor) != stood
        }
        return Footprint(
            touch=self._touch(seen),
            moved=frozenset({index, *moved}),
            sees_leases=self._label == SEES,
            changes_leases=self._held != set(self._world.leases.held),
        )

    def _touch(self, seen: Observation) -> Touch:
        index, turn = self._choice
        kind = self._world.actors[index].role.kind
        if turn != "step" or kind in {"clock", "left behind"}:
            return Touch.ALL  # it decides what others may do, or for whom time has passed
        if seen.essence() != self._seen or self._label in ENDS or self._label.startswith("commit "):
            return Touch.COMMIT
        known = {RUNS: Touch.RUN, SEES: Touch.NOTHING, **dict.fromkeys(READS, Touch.READ)}
        return known.get(self._label, Touch.TRY if is_statement(self._label) else Touch.ALL)


def _standing(actor: Actor) -> tuple[str, int, bool, bool]:
    turns = actor.turns
    return (turns.label, len(turns.history), turns.is_blocked, turns.is_done)

"""Try every order of turns: depth first, each schedule run again from a fresh row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from proof.answers import BrokenInvariantError
from proof.independence import Witness
from proof.judge import Judge

if TYPE_CHECKING:
    from proof.independence import Footprint
    from proof.scenario import Choice, Scenario
    from proof.world import World

# No schedule of a protocol that ends is longer; one that is does not end.
_MOST_TURNS = 80


class Nondeterminism(Exception):  # noqa: N818 # a mistake of the proof, not of what it proves
    """The same order of turns gave other turns to choose from."""


@dataclass
class Tally:
    """What a search has tried, and what it found."""

    scenario: str
    schedules: int = 0
    executed: int = 0
    turns: int = 0
    states: int = 0
    left_out: int = 0
    is_complete: bool = True
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    broken: str | None = None


@dataclass
class _Frame:
    """A state on the path: what may come next, what has been tried, and what need not be."""

    key: Any
    possible: list[Choice]
    choices: list[Choice]
    asleep: dict[Choice, Footprint]
    tried: int = 0
    schedules: int = 0
    taken: dict[Choice, Footprint] = field(default_factory=dict)

    def sleeping(self) -> dict[Choice, Footprint]:
        """Return the turns that need not come after the current one.

        They were tried before it, here or further up, and its order with them makes no difference.
        """
        *earlier, current = self.choices[: self.tried + 1]
        print_of = self.taken[current]
        candidates = {**self.asleep, **{choice: self.taken[choice] for choice in earlier}}
        return {
            choice: other
            for choice, other in candidates.items()
            if other.is_independent_of(print_of)
        }


class Explorer:
    """Enumerates the schedules of one scenario.

    With `merging` a state that was reached before by other turns is not gone into again: what can
    follow is known, and the schedules through it are counted without being run. A state is the
    committed row and history, every answer that every actor got, and what the judge remembers.

    With `reducing`, of the orders of turns that make no difference to each other one is tried, by
    sleep sets: what was tried before another turn that it is independent of is not tried after it.
    """

    def __init__(
        self,
        world: World,
        *,
        merging: bool,
        reducing: bool = False,
        seconds: float = float("inf"),
    ) -> None:
        self._world = world
        self._merging = merging
        self._reducing = reducing
        self._seconds = seconds
        self._known: dict[Any, int] = {}
        self._path: list[_Frame] = []

    def explore(self, scenario: Scenario) -> Tally:
        """Try all schedules, or as many as the time allows; stop at the first broken invariant."""
        tally = Tally(scenario.name)
        self._known, self._path = {}, []
        began = monotonic()
        while True:
            try:
                tally.schedules += self._descend(scenario, tally)
            except BrokenInvariantError as broken:
                tally.broken = f"{broken} [{self._story(scenario)}]"
                break
            finally:
                self._world.end()
            if not self._backtrack():
                break
            if monotonic() - began > self._seconds:
                tally.is_complete = False
                break
        tally.states = len(self._known)
        tally.seconds = monotonic() - began
        return tally

    def _descend(self, scenario: Scenario, tally: Tally) -> int:
        """Repeat the path so far, then go on to an end or a known state; count its schedules."""
        world = self._world
        world.begin(scenario)
        judge = Judge(world, world.stage.look())
        judge.check_beginning()
        tally.executed += 1
        for depth, frame in enumerate(self._path):
            self._take(frame, judge, tally)
            if depth + 1 < len(self._path):
                self._check_repetition(scenario, depth, self._path[depth + 1].possible)
        return self._go_on(judge, tally)

    def _take(self, frame: _Frame, judge: Judge, tally: Tally) -> None:
        world, choice = self._world, frame.choices[frame.tried]
        witness = Witness(world, choice, judge.before)
        actor = world.take(choice)
        tally.turns += 1
        judge.check(actor, world.stage.look())
        frame.taken[choice] = witness.footprint(judge.before)

    def _check_repetition(self, scenario: Scenario, depth: int, before: list[Choice]) -> None:
        now = self._world.choices()
        if now != before:
            where = [
                (one.role.name, one.turns.label, one.turns.history) for one in self._world.actors
            ]
            raise Nondeterminism(f"{depth}: {before} → {now} {where} {self._story(scenario)}")

    def _go_on(self, judge: Judge, tally: Tally) -> int:
        while True:
            frame, found = self._arrive(judge, tally)
            if frame is None:
                break
            self._path.append(frame)
            if len(self._path) > _MOST_TURNS:
                raise BrokenInvariantError("it does not end")
            self._take(frame, judge, tally)
        if self._path:
            self._path[-1].schedules += found
        return found

    def _arrive(self, judge: Judge, tally: Tally) -> tuple[_Frame | None, int]:
        """Look where the last turn has led: further, or to an end, with what it counts."""
        world = self._world
        possible = world.choices()
        if not possible:
            tally.outcomes[_ending(world)] += 1
            return None, 1
        asleep = self._path[-1].sleeping() if self._reducing and self._path else {}
        choices = [choice for choice in possible if choice not in asleep]
        if not choices:
            tally.left_out += 1
            return None, 0
        key = None
        if self._merging:
            key = hash((world.state(judge.before), judge.essence(), frozenset(asleep)))
            if key in self._known:
                return None, self._known[key]
        return _Frame(key, possible, choices, asleep), 0

    def _backtrack(self) -> bool:
        while self._path:
            frame = self._path[-1]
            frame.tried += 1
            if frame.tried < len(frame.choices):
                return True
            self._path.pop()
            if frame.key is not None:
                self._known[frame.key] = frame.schedules
            if self._path:
                self._path[-1].schedules += frame.schedules
        return False

    def _story(self, scenario: Scenario) -> str:
        names = [one.role.name for one in self._world.actors] or [r.name for r in scenario.roles]
        turns = [frame.choices[min(frame.tried, len(frame.choices) - 1)] for frame in self._path]
        return " → ".join(f"{names[index]}{'' if t == 'step' else ' ' + t}" for index, t in turns)


def _ending(world: World) -> str:
    row = world.stage.look()
    told = [f"{one.role.name}: {type(one.turns.outcome).__name__}" for one in world.actors]
    stuck = any(one.turns.is_blocked for one in world.actors)
    if stuck:
        raise BrokenInvariantError("somebody waits for a lock that nobody will release")
    return f"{row.status}; {', '.join(told)}"

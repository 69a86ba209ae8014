"""Every crash point of one call: what it leaves behind, what others get, and how it is settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exec_tracker.types import ExecutionResult
from proof.cast import further_actors
from proof.contenders import contender
from proof.cooperation import VanishedError
from proof.judge import Judge
from proof.roles import LEASE, MODES
from proof.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proof.cooperation import Turn
    from proof.stage import Observation
    from proof.world import Actor, World

_STATES = ("absent", "pending", "running, expired", "failed, retryable")
FAULTS: tuple[Turn, ...] = ("vanish", "drop", "cut", "refuse", "interrupt")
_MOST_TURNS = 40
# What leaves a backend behind that has the statement, and will commit it or not.
_LEAVING = frozenset({"vanish", "cut", "interrupt"})


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """One fault at one point of a call, and everything that came of it."""

    mode: str
    state: str
    fault: str
    point: str
    backend: str
    left: str
    caller: str
    next_caller: str
    after_the_lease: str
    effects: int
    settled_by: str


@dataclass(slots=True)
class _Case:
    mode: str
    state: str
    turns: int
    fault: Turn
    late: Turn


def crash_points(world: World, modes: tuple[str, ...] = MODES) -> Iterator[CrashPoint]:
    """Strike one call at each of its points with each fault that is possible there."""
    for mode in modes:
        for state in _STATES:
            for turns, fault, has_backend in _points(world, mode, state):
                lates: tuple[Turn, ...] = ("step", "drop") if has_backend else ("step",)
                for late in lates:
                    yield _strike(world, _Case(mode, state, turns, fault, late))


def _scenario(mode: str, state: str) -> Scenario:
    victim = contender("A", mode)
    next_one, later = contender("B", mode), contender("C", mode)
    roles = (victim, next_one, further_actors()["clock"], later)
    return Scenario(state, roles, FAULTS, frozenset({"A"}))


def _points(world: World, mode: str, state: str) -> list[tuple[int, Turn, bool]]:
    world.begin(_scenario(mode, state))
    points: list[tuple[int, Turn, bool]] = []
    try:
        for number in range(_MOST_TURNS):
            label = world.actors[0].turns.label
            left_behind = label.startswith("commit ") and "transaction" not in label
            faults = [turn for index, turn in world.choices() if index == 0 and turn != "step"]
            points += [(number, turn, left_behind and turn in _LEAVING) for turn in faults]
            world.take((0, "step"))
            if world.actors[0].turns.is_done:
                return points
    finally:
        world.end()
    raise AssertionError("a call alone does not end")


def _strike(world: World, case: _Case) -> CrashPoint:
    world.begin(_scenario(case.mode, case.state))
    judge = Judge(world, world.stage.look())
    try:
        for _ in range(case.turns):
            _turn(world, judge, 0)
        label = world.actors[0].turns.label
        _turn(world, judge, 0, case.fault)
        has_backend = len(world.actors) > len(_scenario(case.mode, case.state).roles)
        if has_backend:
            _turn(world, judge, len(world.actors) - 1, case.late)
        _run(world, judge, 0)
        left = world.stage.look()
        _run(world, judge, 1)
        _run(world, judge, 2)
        _run(world, judge, 3)
        effects = len(world.effects) + len(world.stage.look().effects)
        heard = [_heard(world.actors[index]) for index in (0, 1, 3)]
    finally:
        world.end()
    backend = ("commits" if case.late == "step" else "rolls back") if has_backend else ""
    return CrashPoint(
        mode=case.mode,
        state=case.state,
        fault=case.fault,
        point=label,
        backend=backend,
        left=_describe(left),
        caller=heard[0],
        next_caller=heard[1],
        after_the_lease=heard[2],
        effects=effects,
        settled_by=_settled_by(left, heard),
    )


def _turn(world: World, judge: Judge, index: int, turn: Turn = "step") -> None:
    actor = world.take((index, turn))
    judge.check(actor, world.stage.look())


def _run(world: World, judge: Judge, index: int) -> None:
    for _ in range(_MOST_TURNS):
        if world.actors[index].turns.is_done:
            return
        _turn(world, judge, index)
    raise AssertionError("a call alone does not end")


def _describe(seen: Observation) -> str:
    if seen.row is None:
        return "no row"
    lease = {True: ", lease live", False: ", lease expired", None: ", no lease"}
    suffix = lease[seen.is_live] if seen.status == "running" else ""
    return f"{seen.status}{suffix}"


def _heard(actor: Actor) -> str:
    outcome: Any = actor.turns.outcome
    if isinstance(outcome, VanishedError):
        return "—"
    if isinstance(outcome, ExecutionResult):
        return "the stored result" if outcome.cached else "runs it: result"
    return f"`{type(outcome).__name__}`"


def _settled_by(left: Observation, heard: list[str]) -> str:
    later = heard[2]
    if left.status == "completed":
        return "nothing to do"
    if "Abandoned" in later:
        return "`resolve`, `verify=`, `reset` or `on_abandoned=`"
    if "Error" in later:
        return "the database's administrator"
    return f"the next call{'' if 'result' in heard[1] else f', after {LEASE.seconds} s'}"

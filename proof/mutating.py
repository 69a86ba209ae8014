"""Apply one mutation of the protocol, in this process only, and search until a promise breaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proof.explorer import Explorer

if TYPE_CHECKING:
    from collections.abc import Callable

    from proof.mutants import Applied
    from proof.scenario import Scenario
    from proof.world import World


@dataclass(frozen=True, slots=True)
class Mutation:
    """One way to get the protocol wrong, and the schedules among which it must show."""

    name: str
    applied: Applied
    scenarios: tuple[Scenario, ...] = ()
    check: Callable[[World], str | None] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a mutation fared: what saw it, alone, with the database's guard, and by fewer orders."""

    mutation: str
    alone: str | None
    guarded: str | None
    reduced: str | None


def judge_mutation(world: World, mutation: Mutation) -> Verdict:
    """Apply one mutation and search until a promise breaks."""
    return Verdict(
        mutation.name,
        caught(world, mutation, guard=False),
        caught(world, mutation, guard=True),
        caught(world, mutation, guard=False, reducing=True),
    )


def caught(world: World, mutation: Mutation, *, guard: bool, reducing: bool = False) -> str | None:
    """Apply one mutation and say which promise it breaks, if any is seen to break."""
    world.stage.guard(enabled=guard)
    try:
        with mutation.applied(world):
            return _first_broken(world, mutation, reducing=reducing)
    finally:
        world.stage.guard(enabled=True)


def _first_broken(world: World, mutation: Mutation, *, reducing: bool) -> str | None:
    if mutation.check is not None:
        return mutation.check(world)
    for scenario in mutation.scenarios:
        broken = Explorer(world, merging=True, reducing=reducing).explore(scenario).broken
        if broken is not None:
            return broken
    return None

"""The bounded slice of the proof that CI runs: every order of turns of two, and of two and one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proof.cast import MODES, contender, further_actors
from proof.explorer import Explorer
from proof.scenario import Scenario
from proof.stage import STATES

if TYPE_CHECKING:
    from proof.world import World


@pytest.mark.parametrize("mode", MODES)
def test_every_order_of_two_contenders_keeps_every_promise(world: World, mode: str) -> None:
    for state in STATES:
        scenario = Scenario(state, (contender("A", mode), contender("B", mode)))
        tally = Explorer(world, merging=True).explore(scenario)
        assert tally.broken is None, tally
        assert tally.is_complete


@pytest.mark.parametrize("further", sorted(further_actors()))
def test_every_order_with_a_third_actor_keeps_every_promise(world: World, further: str) -> None:
    roles = (contender("A", "external"), contender("B", "external"), further_actors()[further])
    tally = Explorer(world, merging=True).explore(Scenario("running, expired", roles))
    assert tally.broken is None, tally


def test_merging_states_counts_the_schedules_that_running_them_all_finds(world: World) -> None:
    roles = (contender("A", "external"), contender("B", "external"))
    scenario = Scenario("failed, retryable", roles)
    merged = Explorer(world, merging=True).explore(scenario)
    every = Explorer(world, merging=False).explore(scenario)
    assert merged.schedules == every.schedules == every.executed > merged.executed
    assert set(merged.outcomes) == set(every.outcomes)

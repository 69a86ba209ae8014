"""The bounded slice of the proof that CI runs: every order of turns of two, and of two and one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proof.cast import further_actors
from proof.contenders import contender
from proof.explorer import Explorer
from proof.roles import MODES
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


@pytest.mark.parametrize("mode", MODES)
def test_every_order_of_three_contenders_keeps_every_promise(world: World, mode: str) -> None:
    roles = tuple(contender(name, mode) for name in "ABC")
    for state in ("absent", "completed", "failed, final"):
        tally = Explorer(world, merging=True).explore(Scenario(state, roles))
        assert tally.broken is None, tally


@pytest.mark.parametrize("mode", ["external", "transactional"])
def test_every_order_that_differs_of_three_who_take_over_keeps_every_promise(
    world: World, mode: str
) -> None:
    roles = tuple(contender(name, mode) for name in "ABC")
    scenario = Scenario("failed, retryable", roles)
    tally = Explorer(world, merging=True, reducing=True).explore(scenario)
    assert tally.broken is None, tally
    assert tally.left_out > 0


@pytest.mark.parametrize("mode", ["external", "transactional"])
@pytest.mark.parametrize("further", ["heartbeat", "reset"])
def test_fewer_orders_end_in_the_same_ways_as_all_of_them(
    world: World, mode: str, further: str
) -> None:
    roles = (contender("A", mode), contender("B", mode), further_actors()[further])
    for state in ("absent", "running, expired"):
        every = Explorer(world, merging=True).explore(Scenario(state, roles))
        fewer = Explorer(world, merging=True, reducing=True).explore(Scenario(state, roles))
        assert set(fewer.outcomes) == set(every.outcomes)
        assert fewer.schedules <= every.schedules


def test_orders_that_differ_are_counted_as_running_them_all_finds(world: World) -> None:
    scenario = Scenario("absent", tuple(contender(name, "external") for name in "ABC"))
    merged = Explorer(world, merging=True, reducing=True).explore(scenario)
    every = Explorer(world, merging=False, reducing=True).explore(scenario)
    assert merged.schedules == every.schedules < every.executed


def test_merging_states_counts_the_schedules_that_running_them_all_finds(world: World) -> None:
    roles = (contender("A", "external"), contender("B", "external"))
    scenario = Scenario("failed, retryable", roles)
    merged = Explorer(world, merging=True).explore(scenario)
    every = Explorer(world, merging=False).explore(scenario)
    assert merged.schedules == every.schedules == every.executed > merged.executed
    assert set(merged.outcomes) == set(every.outcomes)

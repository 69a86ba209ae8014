"""The owner of a claim vanishes: what it leaves behind is settled, and nothing happens twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exec_tracker.statements import CLAIM_EXECUTION, COMPLETE_CLAIM
from proof.contenders import contender
from proof.crashes import FAULTS, crash_points
from proof.explorer import Explorer
from proof.killing import kill_everywhere, killed_is_kept
from proof.matrix import BATCH, TAKER, VERIFIER, Case
from proof.roles import MODES
from proof.scenario import Scenario

if TYPE_CHECKING:
    from proof.world import World


@pytest.mark.parametrize("mode", MODES)
def test_whatever_a_lost_owner_leaves_behind_is_settled(world: World, mode: str) -> None:
    points = list(crash_points(world, (mode,)))
    assert len(points) > 20
    for point in points:
        assert point.settled_by != "the database's administrator", point
        if mode != "at least once":
            assert point.effects <= 1, point


@pytest.mark.parametrize("mode", MODES)
def test_every_order_of_two_contenders_and_one_fault_keeps_every_promise(
    world: World, mode: str
) -> None:
    roles = (contender("A", mode), contender("B", mode))
    scenario = Scenario("absent", roles, FAULTS, frozenset({"A"}))
    tally = Explorer(world, merging=True).explore(scenario)
    assert tally.broken is None, tally


@pytest.mark.parametrize("mode", MODES)
def test_a_struck_taker_verifier_or_batch_gives_nobody_leave_to_run(
    world: World, mode: str
) -> None:
    for further in (TAKER, VERIFIER, BATCH):
        tally = Explorer(world, merging=True).explore(
            Case(mode, "running, expired", further).scenario()
        )
        assert tally.broken is None, tally


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["external", "transactional"])
def test_a_process_that_is_killed_repeats_no_effect(database_url: str, mode: str) -> None:
    points = [f"after {step}" for step in (CLAIM_EXECUTION.name, "the effect", COMPLETE_CLAIM.name)]
    for killed in kill_everywhere(database_url, (mode,), tuple(points)):
        assert killed_is_kept(killed) is None, killed

"""Does the proof bite? Each mutation of the protocol breaks a promise that the proof sees."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import pytest

from proof.long_transaction import claim_in_a_long_transaction
from proof.mutating import caught
from proof.mutations import MUTATIONS

if TYPE_CHECKING:
    from proof.mutating import Mutation
    from proof.world import World


@pytest.mark.parametrize("mutation", MUTATIONS, ids=operator.attrgetter("name"))
def test_every_mutation_of_the_protocol_is_caught(world: World, mutation: Mutation) -> None:
    assert caught(world, mutation, guard=False), f"{mutation.name} was not noticed"


def test_a_lease_begins_when_it_is_claimed_however_old_the_transaction_is(world: World) -> None:
    assert claim_in_a_long_transaction(world) is None

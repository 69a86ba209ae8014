"""A primary that dies under load, and clients that follow to its standby by a URL of both."""

from __future__ import annotations

import pytest

from proof.failover.drills import to_a_synchronous_standby, to_an_asynchronous_standby
from proof.seeds import chosen_seed

pytestmark = pytest.mark.slow


def test_failover_to_a_synchronous_standby_loses_and_repeats_nothing() -> None:
    outage = to_a_synchronous_standby(chosen_seed())
    assert outage.problems == []
    assert outage.audit.executions == outage.audit.effects == outage.audit.keys > 0


def test_failover_to_an_asynchronous_standby_repeats_what_its_claims_were_lost_with() -> None:
    external, transactional = to_an_asynchronous_standby(chosen_seed(), seconds=0.3)
    assert external.results
    assert external.nothing
    assert external.acknowledged == external.results + external.claims_alone + external.nothing
    # Claim and all are gone: the work is done again, and its effect happens twice.
    assert external.done_again == external.nothing
    # The claim survived its result: reported, and not done again.
    assert external.reported_abandoned == external.claims_alone
    # The writes are gone with the claim: what is done again has one effect.
    assert transactional.nothing
    assert transactional.claims_alone == transactional.done_again == 0

"""A few seconds of the soak that `make proof` runs for hours."""

from __future__ import annotations

import pytest

from proof.seeds import chosen_seed
from proof.soak.rounds import Severity, soak

pytestmark = pytest.mark.slow

# Struck some ten times as often as in a long run, to be struck in every way in a short one.
_SEVERE = Severity(places=4, times=8.0, storm=1 / 200)


def test_a_soak_of_every_mode_under_random_faults_breaks_no_promise() -> None:
    done = soak(chosen_seed(), minutes=8 / 60, severity=_SEVERE)
    assert done.problems == []
    assert done.audit.executions > 0
    assert sum(done.faults.values()) > 10

"""A few seconds of the soak that `make proof` runs for hours."""

from __future__ import annotations

import pytest

from proof.seeds import chosen_seed
from proof.soak.rounds import Severity, Soak, soak

pytestmark = pytest.mark.slow

# Struck some ten times as often as in a long run, to be struck in every way in a short one.
_SEVERE = Severity(seconds=6.0, places=4, times=8.0, storm=1 / 200)
_LONGEST_MINUTES = 1.5


def test_a_soak_of_every_mode_under_random_faults_breaks_no_promise() -> None:
    done = soak(chosen_seed(), _LONGEST_MINUTES, _SEVERE, _is_enough)
    assert done.problems == []


def _is_enough(done: Soak) -> bool:
    return done.audit.executions > 100 and done.faults.total() > 20

"""Random programs of API calls do to the service what they do to a dictionary."""

from __future__ import annotations

import pytest

from exec_tracker import transitions
from proof.modelling import run_programs
from proof.seeds import chosen_seed


def test_random_programs_do_what_the_model_says(database_url: str) -> None:
    done = run_programs(database_url, 15, chosen_seed())
    assert done.calls > 5 * done.programs


def test_a_service_that_does_otherwise_is_noticed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transitions, "_decide_failed", lambda *_: transitions.TakeOver())
    with pytest.raises(AssertionError, match=r"the service: .*; the model: "):
        run_programs(database_url, 200, chosen_seed())

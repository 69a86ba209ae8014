"""A connection that is struck at any message, in either direction: one effect, one answer, no leak.

The bounded slice of `proof/wire`; `make proof` strikes every message of every call in every way.
"""

from __future__ import annotations

import random
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from exec_tracker.flow import saving
from proof.clients import DRIVERS
from proof.seeds import chosen_seed
from proof.wire.calls import CALLS
from proof.wire.cuts import Wire, cut_anywhere, cut_everywhere

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exec_tracker.flow import Held

# Between these messages a statement has, or has not, arrived, been done, or been answered for.
TURNING_POINTS = frozenset({"Query", "Execute", "Sync", "CommandComplete", "ReadyForQuery"})
_SAMPLE = 15


@pytest.fixture(params=DRIVERS)
def wire(request: pytest.FixtureRequest, database_url: str) -> Iterator[Wire]:
    wire = Wire(str(request.param), database_url)
    yield wire
    wire.close()


def _cases() -> Iterator[tuple[str, str]]:
    for driver in DRIVERS:
        yield driver, "external"
        if "URL" not in driver:  # its sessions are as the others'
            yield driver, "transactional"
            yield driver, "transactional, replaying"


@pytest.mark.parametrize(("wire", "name"), list(_cases()), indirect=["wire"])
def test_a_call_whose_connection_is_reset_at_a_turning_point_has_one_effect_and_one_answer(
    wire: Wire, name: str
) -> None:
    calls = [call for call in CALLS if call.name == name]
    cuts = list(cut_everywhere(wire, calls, ["reset"], TURNING_POINTS))
    assert len(cuts) >= 6
    assert [cut for cut in cuts if cut.broken] == []


def test_whatever_happens_to_a_connection_no_promise_is_broken(wire: Wire) -> None:
    seed = chosen_seed()
    chance = random.Random(f"{seed} {wire.driver}")  # noqa: S311 # an order, not a secret
    for cut in islice(cut_anywhere(wire, CALLS, chance), _SAMPLE):
        assert cut.broken is None, (seed, cut)


def _forget(held: Held, text: str) -> Iterator[None]:
    """Never recognise a write of one's own."""
    return
    yield


def test_a_protocol_that_does_not_know_its_own_writes_is_caught(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "_own_earlier_write", _forget)
    wire = Wire("psycopg2", database_url)
    calls = [call for call in CALLS if call.name == "external"]
    cuts = list(cut_everywhere(wire, calls, ["reset"], TURNING_POINTS))
    wire.close()
    assert [cut.message for cut in cuts if cut.broken]

"""The page of the proof has what its last runs have found, and nothing else."""

from __future__ import annotations

from pathlib import Path

from proof import recorded, report
from proof.faults import Faults
from proof.recorded import FAULTS, ORDERS

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "proof.md"


def test_the_page_is_made_from_what_was_recorded() -> None:
    parts = recorded.load()
    assert set(parts) == {ORDERS, FAULTS}
    assert PAGE.read_text(encoding="utf-8") == report.write(parts)


def test_a_run_of_one_part_leaves_the_other() -> None:
    parts = recorded.load()
    faults = report.of_faults(Faults(seed=7, minutes=2.5))
    page = report.write({**parts, FAULTS: faults})
    assert "python -m proof --only faults --minutes 2.5 --seed 7" in page
    assert parts[ORDERS].sections in page
    assert parts[FAULTS].command not in page

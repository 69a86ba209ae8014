"""How the cells of the matrix are named and chosen."""

from __future__ import annotations

import pytest

from tests.matrix.cells import (
    PYTHONS,
    SERVERS,
    SQLALCHEMYS,
    Cell,
    UnknownCellError,
    all_cells,
    chosen_cells,
    usual_cells,
    versions_at_hand,
)
from tests.matrix.places import ROOT
from tests.matrix.running import SLICE, SUITE, Outcome
from tests.matrix.table import table


def test_every_cell_is_chosen_by_its_own_name() -> None:
    for cell in (*usual_cells(), *all_cells()):
        assert chosen_cells([cell.name]) == (cell,)


def test_every_supported_version_is_in_a_usual_cell_or_at_hand() -> None:
    cells, (python, sqlalchemy) = usual_cells(), versions_at_hand()
    assert {cell.server for cell in cells} - {None} == set(SERVERS)
    assert {cell.python for cell in cells} - {None} | {python} >= set(PYTHONS)
    assert {cell.sqlalchemy for cell in cells} - {None} | {sqlalchemy} >= set(SQLALCHEMYS)


def test_no_name_chooses_the_usual_cells_and_all_the_product() -> None:
    assert chosen_cells([]) == usual_cells()
    assert chosen_cells(["all"]) == all_cells()
    assert len(all_cells()) == 30


@pytest.mark.parametrize("name", ["pg13", "14", "pg14-pg15", "pg14,pg15", "", "ALL"])
def test_a_name_that_is_no_cell_is_refused_with_the_form(name: str) -> None:
    with pytest.raises(UnknownCellError, match=r"pg14-py3\.12-sqlalchemy2\.0"):
        chosen_cells([name])


def test_what_a_cell_runs_exists() -> None:
    assert all((ROOT / path).exists() for path in (*SUITE, *SLICE))


def test_the_table_shows_failures_and_cells_that_could_not_run() -> None:
    counts = {"passed": 3, "failed": 1, "skipped": 0}
    failed = Outcome(Cell(server="14"), "FAILED", ("14.23", "3.11.7", "2.1.9"), counts, 61.2)
    absent = Outcome(Cell(python="3.13"), "not run: no Python 3.13")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in _lines(failed, absent)]
    assert lines == [
        ["pg14", "14.23", "3.11.7", "2.1.9", "FAILED", "3 passed, 1 failed", "61"],
        ["py3.13", "", "", "", "not run: no Python 3.13", "", ""],
    ]


def _lines(*outcomes: Outcome) -> list[str]:
    return table(outcomes).splitlines()[2:]

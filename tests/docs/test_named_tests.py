"""A promise on a page names the test that holds it, and that test exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import ROOT, all_pages, name_of, page

if TYPE_CHECKING:
    from pathlib import Path

GUARANTEES = ROOT / "docs" / "explanation" / "guarantees.md"
_TEST = re.compile(r"`(test_\w+)`")
_ROW = re.compile(r"^\| (?!-)(.+?) \|$", re.MULTILINE)


@cache
def all_tests() -> frozenset[str]:
    """Every test function below tests/."""
    found = set()
    for source in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(node.name)
    return frozenset(found)


@pytest.mark.parametrize("path", all_pages(), ids=name_of)
def test_a_test_that_a_page_names_exists(path: Path) -> None:
    assert set(_TEST.findall(page(path).text)) - all_tests() == set()


def test_every_line_of_the_guarantees_names_its_test() -> None:
    tables = page(GUARANTEES).text.split("<!-- table -->")[1:]
    assert tables
    unbacked = []
    for table in tables:
        rows = _ROW.findall(table.split("\n\n")[1])[1:]
        assert rows
        unbacked += [row for row in rows if not _TEST.search(row)]
    assert unbacked == []

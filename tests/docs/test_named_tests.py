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
PROOF = GUARANTEES.with_name("proof.md")
_TEST = re.compile(r"`(test_\w+)`")
_LINKED_TEST = re.compile(r"\[`(test_\w+)`\]\(([^)]+)\)")
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_ROW = re.compile(r"^\| (?!-)(.+?) \|$", re.MULTILINE)


@cache
def all_tests() -> frozenset[str]:
    """Every test function below tests/."""
    return frozenset().union(*map(names_in, (ROOT / "tests").rglob("test_*.py")))


@cache
def names_in(source: Path) -> frozenset[str]:
    """Every test function of a file."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


def rows_of_guarantees() -> list[str]:
    """Every line of the tables of the guarantees."""
    tables = page(GUARANTEES).text.split("<!-- table -->")[1:]
    return [row for table in tables for row in _ROW.findall(table.split("\n\n")[1])[1:]]


@pytest.mark.parametrize("path", all_pages(), ids=name_of)
def test_a_test_that_a_page_names_exists(path: Path) -> None:
    assert set(_TEST.findall(page(path).text)) - all_tests() == set()


def test_every_line_of_the_guarantees_leads_to_the_tests_that_hold_it() -> None:
    rows = rows_of_guarantees()
    assert len(rows) > 50
    assert [row for row in rows if not _LINKED_TEST.search(row)] == []
    wrong = [
        f"[`{name}`]({link})"
        for row in rows
        for name, link in _LINKED_TEST.findall(row)
        if name not in names_in((GUARANTEES.parent / link).resolve())
    ]
    assert wrong == []
    # One that is named without a link is written as [`test_name`](../../tests/folder/file.py).
    assert [_TEST.findall(_LINKED_TEST.sub("", row)) for row in rows] == [[]] * len(rows)


def test_the_guarantees_lead_to_every_section_of_the_proof() -> None:
    *proven, rest = _SECTION.findall(page(PROOF).text)
    assert rest == "What is not here"
    linked = {link for link in page(GUARANTEES).links if link.startswith("proof.md#")}
    anchors = {f"proof.md#{title.lower().replace(' ', '-').replace('?', '')}" for title in proven}
    assert anchors - linked == set()

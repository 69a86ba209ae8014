"""Pages lead where they say."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from tests.docs.pages import ROOT, all_pages, name_of, page

if TYPE_CHECKING:
    from pathlib import Path


def problem(source: Path, link: str) -> str | None:
    """Return what is wrong with a link, or None."""
    if link.startswith(("https://", "http://", "mailto:")):
        return None
    name, _, anchor = unquote(link).partition("#")
    target = (source.parent / name).resolve() if name else source
    if not target.exists():
        return f"{link}: there is no {name}"
    if anchor and target.suffix == ".md" and anchor not in page(target).anchors:
        return f"{link}: {target.name} has no #{anchor}"
    return None


@pytest.mark.parametrize("path", all_pages(), ids=name_of)
def test_every_link_leads_to_a_page_and_a_heading(path: Path) -> None:
    problems = [said for link in page(path).links if (said := problem(path, link))]
    assert problems == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        path = todo.pop()
        if path.is_dir():  # GitHub lists what is in it
            todo += path.glob("*.md")
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        names = [link.partition("#")[0] for link in page(path).links if "://" not in link]
        todo += [(path.parent / name).resolve() for name in names if name]
    left = [name_of(path) for path in all_pages() if path not in reached]
    assert left == []

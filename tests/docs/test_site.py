"""The site builds without a warning, and can be read with no network: nothing in it is missing."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

import pytest

from tests.docs.pages import ROOT, all_pages, name_of, page

if TYPE_CHECKING:
    from pathlib import Path

# What a browser fetches by itself; a link of a reader's to elsewhere is another matter.
_FETCHED: Final = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}


class Reading(HTMLParser):
    """Collects what a page has, leads to, and has a browser fetch."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {name for name in (found.get("id"), found.get("name")) if name}
        if tag == "a" and (link := found.get("href")):
            self.links.append(link)
        if (source := found.get(_FETCHED.get(tag, ""))) and found.get("rel") != "canonical":
            self.fetched.append(source)


class Site:
    """A folder of pages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pages = {path.resolve(): Reading(path) for path in folder.rglob("*.html")}

    def problem(self, source: Path, link: str) -> str | None:
        """Return what is wrong with a link, or None."""
        parts = urlsplit(link)
        if parts.scheme:
            return None
        target = (source.parent / unquote(parts.path)).resolve() if parts.path else source
        if not target.is_file():
            return f"{link}: there is no such file"
        ids = self.pages[target].ids if target in self.pages else set()
        if parts.fragment and unquote(parts.fragment) not in ids:
            return f"{link}: there is no such place on the page"
        return None


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    pytest.importorskip("sphinx", reason="the dependency group docs is not installed")
    folder = tmp_path_factory.mktemp("site")
    strict = ["--nitpicky", "--fail-on-warning", "--keep-going", "--quiet"]
    places = [".", str(folder / "html"), "-d", str(folder / "cache")]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-c", "docs", "-b", "html", *strict, *places],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Site(folder / "html")


@pytest.mark.slow
def test_every_page_is_on_the_site(site: Site) -> None:
    names = {path.relative_to(site.folder.resolve()).as_posix() for path in site.pages}
    left = {name_of(path) for path in all_pages()} - {
        f"{name.removesuffix('.html')}.md" for name in names
    }
    assert left == set()
    assert "index.html" in names


@pytest.mark.slow
def test_every_link_of_the_site_leads_to_a_file_and_a_place(site: Site) -> None:
    problems = defaultdict(list)
    for path, reading in site.pages.items():
        for link in reading.links + reading.fetched:
            said = site.problem(path, link)
            if said is not None:
                problems[path.name].append(said)
    assert problems == {}


@pytest.mark.slow
def test_a_reader_of_the_site_fetches_nothing_from_elsewhere(site: Site) -> None:
    fetched = [link for reading in site.pages.values() for link in reading.fetched]
    assert [link for link in fetched if urlsplit(link).netloc] == []
    styles = [path.read_text(encoding="utf-8") for path in site.folder.rglob("*.css")]
    assert styles
    assert [one for one in styles if re.search(r"url\(['\"]?(https?:)?//|@import", one)] == []


@pytest.mark.slow
def test_every_diagram_is_drawn_on_the_site(site: Site) -> None:
    for path in all_pages():
        diagrams = page(path).text.count("```mermaid")
        html = (site.folder / name_of(path)).with_suffix(".html").read_text(encoding="utf-8")
        assert html.count('<svg role="img"') == diagrams, path


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "images").glob("*.svg")), ids=name_of)
def test_a_picture_is_whole_and_asks_for_nothing_from_elsewhere(path: Path) -> None:
    picture = path.read_text(encoding="utf-8")
    assert ET.fromstring(picture).tag.endswith("svg")  # noqa: S314 # our own file
    assert re.search(r"(href|src)=|url\(['\"]?(https?:)?//|@import|@font-face", picture) is None


@pytest.mark.slow
def test_pictures_of_the_command_line_can_be_taken_again(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXEC_TRACKER_DATABASE_URL", database_url)
    monkeypatch.setenv("EXEC_TRACKER_IMAGES", str(tmp_path))
    taken = [sys.executable, "docs/generate_screenshots.py", "look"]
    subprocess.run(taken, cwd=ROOT, check=True, capture_output=True)
    assert "running,&#160;abandoned" in (tmp_path / "list.svg").read_text(encoding="utf-8")
    assert "order-1043" in (tmp_path / "abandoned.svg").read_text(encoding="utf-8")

"""Read a Markdown page: what it links to, what can be linked to, and the code to run.

A page's Python blocks run in order, in one namespace, on a migrated database of the page's own.
`await` may stand at the top level. The page finds `database_url` and `user_id`, and the database in
EXEC_TRACKER_DATABASE_URL. Comments that readers do not see say the rest:

    <!-- setup: code -->       runs where it stands
    <!-- file: name -->        the block below is written to a file, in a folder of the page's own
    <!-- run -->               the commands of the console block below are run in that folder
    <!-- from: path -->        the block below is an excerpt of that file, which tests run
    <!-- not run: reason -->   the block below is for reading only
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

_COMMENT: Final = re.compile(r"<!-- (setup|file|run|from|not run)(?:: ?(.*?))? ?-->", re.DOTALL)
_FENCE: Final = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_LINK: Final = re.compile(r"(?<!!)\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_ANCHOR: Final = re.compile(r'<a id="([^"]+)">')


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a page to run, write or leave alone; `line` is where its text begins."""

    language: str
    text: str
    line: int
    directive: str = ""
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page, without the text of its code blocks where only prose is asked for."""

    path: Path
    text: str

    @property
    def prose(self) -> str:
        """The text without code, in which brackets and hashes mean something else."""
        return re.sub(r"`[^`\n]*`", "``", _FENCE.sub("", self.text))

    @property
    def blocks(self) -> list[Block]:
        """Everything that is run or written, in order."""
        comments = {match.end(): match for match in _COMMENT.finditer(self.text)}
        found = [
            (match.start(), self._block("python", match, 2))
            for match in comments.values()
            if match[1] == "setup"
        ]
        for match in _FENCE.finditer(self.text):
            before = comments.get(len(self.text[: match.start()].rstrip()))
            directive, argument = (before[1], before[2] or "") if before else ("", "")
            if directive == "setup":
                directive = ""
            found.append((match.start(), self._block(match[2], match, 3, directive, argument)))
        return [block for _, block in sorted(found, key=lambda pair: pair[0])]

    def _block(
        self,
        language: str,
        match: re.Match[str],
        group: int,
        directive: str = "",
        argument: str = "",
    ) -> Block:
        line = self.text.count("\n", 0, match.start(group)) + 1
        return Block(language, match[group], line, directive, argument.strip())

    @property
    def links(self) -> list[str]:
        """The targets of all links."""
        return _LINK.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """What can stand after the # of a link: headings as GitHub spells them, and anchors."""
        anchors: set[str] = set(_ANCHOR.findall(self.text))
        for heading in _HEADING.findall(_FENCE.sub("", self.text)):
            spelled = base = _spell(heading)
            number = 0
            while spelled in anchors:
                number += 1
                spelled = f"{base}-{number}"
            anchors.add(spelled)
        return anchors


def _spell(heading: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"[`*]", "", text).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@cache
def page(path: Path) -> Page:
    """Read one page."""
    return Page(path, path.read_text(encoding="utf-8"))


def all_pages() -> list[Path]:
    """Every page that we publish."""
    return [
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
    ]


def name_of(path: Path) -> str:
    """Return a page's name as tests and messages call it."""
    return path.relative_to(ROOT).as_posix()

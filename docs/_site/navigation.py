"""The site's navigation: every page of a folder, in the order of docs/index.md, then the others.

It is made from what is there when the site is built, so a new page needs no entry anywhere.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["setup"]

_SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "Learn": ("docs/tutorial/*.md",),
    "How to": ("docs/howto/*.md",),
    "Look up": ("docs/reference/*.md", "docs/glossary.md"),
    "Understand": ("docs/explanation/*.md",),
    "Project": ("CHANGELOG.md", "CONTRIBUTING.md"),
    "Decisions": ("docs/decisions/*.md",),
}

# The index has the project's name for a title, as the root page has.
_ENTRANCE: Final = "\n```{toctree}\n:hidden:\n\nWhich mode, which page <docs/index>\n```\n"


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx what to call when."""
    app.connect("source-read", _add_navigation)
    app.connect("source-read", _resolve_folders)
    app.connect("source-read", _keep_anchors)
    app.connect("build-finished", _add_entrance)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _add_navigation(app: Sphinx, name: str, source: list[str]) -> None:
    """Append tables of contents to the root page; its readers see them in the side bar alone."""
    if name == app.config.root_doc:
        root = Path(app.srcdir)
        order = _order(root / "docs" / "index.md")
        tables = [_table(root, title, patterns, order) for title, patterns in _SECTIONS.items()]
        source[0] += "".join([_ENTRANCE, *tables])


def _order(index: Path) -> list[Path]:
    links = re.findall(r"\]\(([\w/.-]+\.md)", index.read_text(encoding="utf-8"))
    return [(index.parent / link).resolve() for link in links]


def _table(root: Path, title: str, patterns: tuple[str, ...], order: list[Path]) -> str:
    def place(path: Path) -> tuple[int, str]:
        known = path.resolve() in order
        return (order.index(path.resolve()) if known else len(order), path.name)

    found = sorted((path for one in patterns for path in root.glob(one)), key=place)
    names = "\n".join(path.relative_to(root).with_suffix("").as_posix() for path in found)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{names}\n```\n"


def _resolve_folders(app: Sphinx, name: str, source: list[str]) -> None:
    """Lead links to a folder to its first page; in a checkout they show what is in it."""
    here = Path(app.srcdir, name).parent

    def page_of(link: re.Match[str]) -> str:
        pages = sorted((here / link[1]).glob("*.md"))
        return f"]({link[1]}/{pages[0].name})" if pages else link[0]

    source[0] = re.sub(r"\]\(([\w./-]+)\)", page_of, source[0])


def _keep_anchors(_: Sphinx, __: str, source: list[str]) -> None:
    """Write places to link to, `<a id="…"></a>` on a line, as MyST does."""
    source[0] = re.sub(r'(?m)^<a id="([\w-]+)"></a>$', r"(\1)=", source[0])


def _add_entrance(app: Sphinx, failure: Exception | None) -> None:
    """Give the root page the name that servers look for."""
    if failure is None and app.builder.format == "html":
        shutil.copy(Path(app.outdir, "README.html"), Path(app.outdir, "index.html"))

"""Draws a page's mermaid blocks as SVG when the site is built: nothing is fetched, no script runs.

Of Mermaid's language it knows what our pages use: `sequenceDiagram` with participants, messages and
notes, and `stateDiagram-v2` with transitions. A line that it does not know is an error of the
build. Mermaid lays states out by itself; here a comment before the block does, which is not seen
where a checkout is looked at:

    <!-- diagram:
    at pending 0 1                where a state stands: column, row
    label pending running 0.4     after which share of the way a transition has its label
    -->
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from .sequences import draw_sequence
from .states import draw_states
from .svg import UnknownLineError

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["draw", "setup"]

_COMMENT: Final = re.compile(r"<!-- diagram:\n(.*?)\n-->\n\n(```mermaid\n\S+\n)", re.DOTALL)


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx who draws `mermaid` blocks."""
    app.add_directive("mermaid", _Mermaid)
    app.connect("source-read", _move_comments)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def draw(text: str) -> str:
    """Return a diagram as SVG; raises UnknownLineError."""
    kind, *lines = [line.strip() for line in text.splitlines() if line.strip()]
    if kind == "sequenceDiagram":
        return draw_sequence(lines)
    if kind == "stateDiagram-v2":
        return draw_states(lines)
    raise UnknownLineError(kind)


def _move_comments(_: Sphinx, __: str, source: list[str]) -> None:
    """Put what a comment says about a diagram into it, where its directive finds it."""
    source[0] = _COMMENT.sub(r"\2\1\n", source[0])


class _Mermaid(SphinxDirective):
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the picture, or complain about the line that cannot be drawn."""
        try:
            picture = draw("\n".join(self.content))
        except UnknownLineError as error:
            raise self.error(f"This cannot be drawn: {error}") from error
        return [nodes.raw("", f'<div class="diagram">{picture}</div>', format="html")]

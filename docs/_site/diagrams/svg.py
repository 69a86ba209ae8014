"""The few shapes that diagrams consist of; colours are the site's, by their classes."""

from __future__ import annotations

from html import escape
from typing import Final

__all__ = ["LINE", "UnknownLineError", "arrow", "box", "text", "whole", "width_of", "wrapped"]

LINE: Final = 18  # the height of a line of text
_CHARACTER: Final = 7.4  # a generous mean, since fonts differ
_MARKER: Final = (
    '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
    'orient="auto"><path class="tip" d="M0 0L10 5L0 10z"/></marker></defs>'
)


class UnknownLineError(ValueError):
    """A line of a diagram that is not understood."""


def width_of(words: str) -> float:
    """Return how wide a line is at most."""
    return len(words) * _CHARACTER


def wrapped(words: str, characters: int) -> list[str]:
    """Break a text into as few lines as it needs, of about one length."""
    least = _broken(words, characters)
    narrower = (_broken(words, limit) for limit in range(1, characters))
    return next((lines for lines in narrower if len(lines) == len(least)), least)


def _broken(words: str, limit: int) -> list[str]:
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + len(word) >= limit:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def text(x: float, y: float, lines: list[str], kind: str) -> str:
    """Return lines whose middle is at a point."""
    first = y - (len(lines) - 1) * LINE / 2
    spans = (
        f'<tspan x="{x:.0f}" y="{first + number * LINE:.0f}">{escape(line)}</tspan>'
        for number, line in enumerate(lines)
    )
    return f'<text class="{kind}">{"".join(spans)}</text>'


def box(x: float, y: float, width: float, height: float, kind: str) -> str:
    """Return a rectangle around a point."""
    return (
        f'<rect class="{kind}" x="{x - width / 2:.0f}" y="{y - height / 2:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" rx="8"/>'
    )


def arrow(path: str, kind: str = "edge", tip: str = "tip") -> str:
    """Return a line that ends in a tip."""
    return f'<path class="{kind}" d="{path}" marker-end="url(#{tip})"/>'


def whole(width: float, height: float, title: str, parts: list[str]) -> str:
    """Return the picture; it shrinks with the page, and screen readers say its title."""
    return (
        f'<svg role="img" viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:{width:.0f}px">'
        f"<title>{escape(title)}</title>{_MARKER}{''.join(parts)}</svg>"
    )

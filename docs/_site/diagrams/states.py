"""State diagrams: boxes where the page puts them, and curves between them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from .svg import UnknownLineError, arrow, box, text, whole, width_of, wrapped

__all__ = ["draw_states"]

_TRANSITION: Final = re.compile(r"(\[\*\]|\w+) --> (\[\*\]|\w+)(?:: ?(.+))?")
_PLACE: Final = re.compile(r"at (\w+) ([\d.]+) ([\d.]+)")
_SHARE: Final = re.compile(r"label (\w+) (\w+) ([\d.]+)")
_COLUMN, _ROW, _MARGIN = 200, 130, 60
_HEIGHT: Final = 40
_DOT: Final = 9
_BEND: Final = 0.17  # of the distance, where there is a way back too
_CHARACTERS: Final = 21


@dataclass(frozen=True, slots=True)
class _Node:
    """A state, or the dot where all begins or ends."""

    name: str
    x: float
    y: float

    @property
    def is_dot(self) -> bool:
        return self.name in {"start", "end"}

    @property
    def half(self) -> tuple[float, float]:
        if self.is_dot:
            return _DOT + 3, _DOT + 3
        return (width_of(self.name) + 36) / 2, _HEIGHT / 2

    def border(self, towards: tuple[float, float]) -> tuple[float, float]:
        """Return where a line to a point leaves the box."""
        dx, dy = towards[0] - self.x, towards[1] - self.y
        wide, high = (side + 3 for side in self.half)
        share = min(wide / abs(dx) if dx else math.inf, high / abs(dy) if dy else math.inf)
        return self.x + dx * share, self.y + dy * share


def draw_states(lines: list[str]) -> str:
    """Return the diagram as SVG; raises UnknownLineError."""
    nodes: dict[str, _Node] = {}
    edges: list[tuple[str, str, str]] = []
    shares: dict[tuple[str, str], float] = {}
    for line in lines:
        if found := _PLACE.fullmatch(line):
            x, y = float(found[2]) * _COLUMN, float(found[3]) * _ROW
            nodes[found[1]] = _Node(found[1], x + _MARGIN, y + _MARGIN)
        elif found := _SHARE.fullmatch(line):
            shares[found[1], found[2]] = float(found[3])
        elif found := _TRANSITION.fullmatch(line):
            start = "start" if found[1] == "[*]" else found[1]
            edges.append((start, "end" if found[2] == "[*]" else found[2], found[3] or ""))
        else:
            raise UnknownLineError(line)
    lost = {name for edge in edges for name in edge[:2]} - nodes.keys()
    if lost:
        raise UnknownLineError(f"where is {min(lost)}? Say `at {min(lost)} COLUMN ROW`")
    return _picture(nodes, edges, shares)


def _picture(
    nodes: dict[str, _Node],
    edges: list[tuple[str, str, str]],
    shares: dict[tuple[str, str], float],
) -> str:
    pairs = {edge[:2] for edge in edges}
    curves, labels = [], []
    for start, end, words in edges:
        bend = _BEND if (end, start) in pairs else 0.0
        share = shares.get((start, end), 0.5)
        lines = wrapped(words, _CHARACTERS)
        curve, label = _edge(nodes[start], nodes[end], lines, bend, share)
        curves.append(curve)
        labels.append(label)
    width = max(one.x + one.half[0] for one in nodes.values()) + _MARGIN
    height = max(one.y for one in nodes.values()) + _MARGIN
    title = "; ".join(f"{start} to {end}: {words}" for start, end, words in edges)
    return whole(width, height, title, [*curves, *map(_shape, nodes.values()), *labels])


def _shape(node: _Node) -> str:
    if node.is_dot:
        ring = f'<circle class="ring" cx="{node.x:.0f}" cy="{node.y:.0f}" r="{_DOT + 3}"/>'
        dot = f'<circle class="dot" cx="{node.x:.0f}" cy="{node.y:.0f}" r="{_DOT - 2}"/>'
        return dot if node.name == "start" else ring + dot
    wide, high = node.half
    shape = box(node.x, node.y, 2 * wide, 2 * high, f"state {node.name}")
    return shape + text(node.x, node.y, [node.name], "name")


def _edge(start: _Node, end: _Node, words: list[str], bend: float, share: float) -> tuple[str, str]:
    """Return a curve, and its label after a share of the way."""
    if start == end:
        return _loop(start, words)
    dx, dy = end.x - start.x, end.y - start.y
    control = (start.x + end.x) / 2 - dy * bend, (start.y + end.y) / 2 + dx * bend
    first, last = start.border(control), end.border(control)
    path = f"M{first[0]:.0f} {first[1]:.0f}Q{control[0]:.0f} {control[1]:.0f} "
    parts = (1 - share) ** 2, 2 * share * (1 - share), share**2
    x, y = (
        sum(part * value for part, value in zip(parts, values, strict=True))
        for values in zip(first, control, last, strict=True)
    )
    return arrow(path + f"{last[0]:.0f} {last[1]:.0f}"), text(x, y, words, "label")


def _loop(node: _Node, words: list[str]) -> tuple[str, str]:
    top = node.y - node.half[1]
    path = f"M{node.x - 14:.0f} {top:.0f}c-30 -50 58 -50 30 -4"
    return arrow(path), text(node.x, top - 44, words, "label")

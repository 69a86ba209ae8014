"""Sequence diagrams: who says what to whom, from top to bottom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from _site.diagrams.svg import LINE, UnknownLineError, arrow, box, text, whole, width_of, wrapped

__all__ = ["draw_sequence"]

_PARTICIPANT: Final = re.compile(r"(?:participant|actor) (\w+)(?: as (.+))?")
_MESSAGE: Final = re.compile(r"(\w+)(-->>|->>|-x|--x)(\w+): ?(.+)")
_NOTE: Final = re.compile(r"[Nn]ote over (\w+)(?:, ?(\w+))?: ?(.+)")
_MARGIN: Final = 12
_HEAD: Final = 36  # the height of a participant's box
_STEP: Final = 46  # from one message to the next
_CHARACTERS: Final = 34  # a longer text is broken


@dataclass(frozen=True, slots=True)
class _Step:
    """A message, or a note, which has no arrow; `to` may be the same participant."""

    start: str
    to: str
    words: str
    arrow: str = ""

    @property
    def lines(self) -> list[str]:
        return wrapped(self.words, _CHARACTERS)


def draw_sequence(lines: list[str]) -> str:
    """Return the diagram as SVG; raises UnknownLineError."""
    people, steps = _read(lines)
    places = _places(people, steps)
    parts: list[str] = []
    y = _MARGIN + _HEAD + 1.5 * LINE
    for step in steps:
        height = len(step.lines) * LINE
        shape, taken = _message(step, places, y) if step.arrow else _note(step, places, y, height)
        parts += shape
        y += taken
    width = max(_reach(places, people, step) for step in [*steps, None])
    heads = [_head(places[name], label, y) for name, label in people.items()]
    title = "; ".join(f"{people[one.start]}: {one.words}" for one in steps)
    return whole(width, y + _MARGIN, title, heads + parts)


def _read(lines: list[str]) -> tuple[dict[str, str], list[_Step]]:
    people: dict[str, str] = {}
    steps: list[_Step] = []
    for line in lines:
        if found := _PARTICIPANT.fullmatch(line):
            people[found[1]] = found[2] or found[1]
        elif found := _MESSAGE.fullmatch(line):
            steps.append(_Step(found[1], found[3], found[4], found[2]))
        elif found := _NOTE.fullmatch(line):
            steps.append(_Step(found[1], found[2] or found[1], found[3]))
        else:
            raise UnknownLineError(line)
    strangers = {name for one in steps for name in (one.start, one.to)} - people.keys()
    if strangers:
        raise UnknownLineError(f"who is {min(strangers)}?")
    return people, steps


def _places(people: dict[str, str], steps: list[_Step]) -> dict[str, float]:
    """Return where everybody stands: apart enough for what neighbours tell each other."""
    names = list(people)
    places = {names[0]: _MARGIN * 3 + width_of(people[names[0]]) / 2}
    for left, right in pairwise(names):
        between = {left, right}
        said = [max(map(width_of, one.lines)) for one in steps if {one.start, one.to} == between]
        heads = (width_of(people[left]) + width_of(people[right])) / 2 + 4 * _MARGIN
        own = [
            60 + max(map(width_of, one.lines))
            for one in steps
            if one.arrow and one.start == one.to == left
        ]
        places[right] = places[left] + max(150.0, heads, *own, *(one + 30 for one in said))
    return places


def _reach(places: dict[str, float], people: dict[str, str], step: _Step | None) -> float:
    """Return how far to the right something goes: what one tells oneself, or the last head."""
    if step is None:
        last = list(people)[-1]
        return places[last] + width_of(people[last]) / 2 + 4 * _MARGIN
    if step.arrow and step.start == step.to:
        return places[step.start] + 60 + max(map(width_of, step.lines)) + _MARGIN
    return 0


def _head(x: float, label: str, bottom: float) -> str:
    y = _MARGIN + _HEAD / 2
    line = f'<path class="life" d="M{x:.0f} {_MARGIN + _HEAD}V{bottom:.0f}"/>'
    head = box(x, y, width_of(label) + 2 * _MARGIN, _HEAD, "person")
    return line + head + text(x, y, [label], "name")


def _message(step: _Step, places: dict[str, float], y: float) -> tuple[list[str], float]:
    start, to = places[step.start], places[step.to]
    kind = "edge answer" if step.arrow.startswith("--") else "edge"
    height = len(step.lines) * LINE
    if start == to:
        path = f"M{start:.0f} {y:.0f}h40v{height:.0f}h-36"
        words = text(start + 52, y + height / 2, step.lines, "said left")
        return [arrow(path, kind), words], height + LINE
    lost = step.arrow.endswith("x")
    end = to - (to - start) / 3 if lost else to - (4 if to > start else -4)
    line = y + height - LINE / 2
    shapes = [text((start + to) / 2, y + height / 2 - LINE, step.lines, "said")]
    shapes.append(arrow(f"M{start:.0f} {line:.0f}H{end:.0f}", kind))
    if lost:
        shapes.append(text(end, line, ["✕"], "lost"))
    return shapes, height + LINE * 1.4


def _note(
    step: _Step, places: dict[str, float], y: float, height: float
) -> tuple[list[str], float]:
    left, right = sorted((places[step.start], places[step.to]))
    wide = max(max(map(width_of, step.lines)) + 2 * _MARGIN, right - left + 6 * _MARGIN)
    middle = (left + right) / 2
    around = box(middle, y + height / 2 - LINE / 2, wide, height + _MARGIN, "note")
    return [
        around,
        text(middle, y + height / 2 - LINE / 2, step.lines, "said"),
    ], height + LINE * 1.6

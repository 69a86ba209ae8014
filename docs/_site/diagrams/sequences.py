"""Sequence diagrams: who says what to whom, from top to bottom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from .svg import LINE, UnknownLineError, arrow, box, text, whole, width_of, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["draw_sequence"]

_PARTICIPANT: Final = re.compile(r"(?:participant|actor) (\w+)(?: as (.+))?")
_MESSAGE: Final = re.compile(r"(\w+)(-->>|->>)(\w+): ?(.+)")
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
        shape, taken = (_message if step.arrow else _note)(step, places, y)
        parts += shape
        y += taken
    width = max(right for _, right in _spans(people, steps, places)) + _MARGIN
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
    if any(one.arrow and one.start == one.to for one in steps):
        raise UnknownLineError("say what one does alone by a note")
    strangers = {name for one in steps for name in (one.start, one.to)} - people.keys()
    if strangers:
        raise UnknownLineError(f"who is {min(strangers)}?")
    return people, steps


def _places(people: dict[str, str], steps: list[_Step]) -> dict[str, float]:
    """Return where everybody stands: apart enough for what neighbours tell each other."""
    names = list(people)
    places = {names[0]: 0.0}
    for left, right in pairwise(names):
        said = [_wide(one) + 30 for one in steps if {one.start, one.to} == {left, right}]
        heads = (width_of(people[left]) + width_of(people[right])) / 2 + 4 * _MARGIN
        places[right] = places[left] + max(150.0, heads, *said)
    shift = _MARGIN - min(left for left, _ in _spans(people, steps, places))
    return {name: place + shift for name, place in places.items()}


def _spans(
    people: dict[str, str], steps: list[_Step], places: dict[str, float]
) -> Iterator[tuple[float, float]]:
    """Yield from where to where each head and each note goes."""
    for name, label in people.items():
        half = width_of(label) / 2 + _MARGIN
        yield places[name] - half, places[name] + half
    for step in steps:
        if not step.arrow:
            left, right = sorted((places[step.start], places[step.to]))
            half = max(_wide(step) / 2 + _MARGIN, (right - left) / 2 + 2 * _MARGIN)
            yield (left + right) / 2 - half, (left + right) / 2 + half


def _wide(step: _Step) -> float:
    return max(map(width_of, step.lines))


def _head(x: float, label: str, bottom: float) -> str:
    y = _MARGIN + _HEAD / 2
    line = f'<path class="life" d="M{x:.0f} {_MARGIN + _HEAD}V{bottom:.0f}"/>'
    head = box(x, y, width_of(label) + 2 * _MARGIN, _HEAD, "person")
    return line + head + text(x, y, [label], "name")


def _message(step: _Step, places: dict[str, float], y: float) -> tuple[list[str], float]:
    start, to = places[step.start], places[step.to]
    kind = "edge answer" if step.arrow.startswith("--") else "edge"
    height = len(step.lines) * LINE
    end = to - (4 if to > start else -4)
    line = y + height - LINE / 2
    shapes = [text((start + to) / 2, y + height / 2 - LINE, step.lines, "said")]
    shapes.append(arrow(f"M{start:.0f} {line:.0f}H{end:.0f}", kind))
    return shapes, height + LINE * 1.4


def _note(step: _Step, places: dict[str, float], y: float) -> tuple[list[str], float]:
    ((left, right),) = _spans({}, [step], places)
    height = len(step.lines) * LINE
    middle, centre = (left + right) / 2, y + (height - LINE) / 2
    around = box(middle, centre, right - left, height + _MARGIN, "note")
    return [around, text(middle, centre, step.lines, "said")], height + LINE * 1.6

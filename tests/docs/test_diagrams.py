"""The site's diagrams are drawn as our pages write them, and what cannot be drawn is an error."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

pytest.importorskip("sphinx", reason="the dependency group docs is not installed")

from docs._site.diagrams import draw
from docs._site.diagrams.svg import UnknownLineError, wrapped

SEQUENCE = """sequenceDiagram
    participant A as a caller
    participant D
    A->>D: claim <1 & 2>
    D-->>A: yours
    Note over A,D: a heartbeat
"""
STATES = """stateDiagram-v2
    at start 0 0
    at pending 1 0
    at running 2 0
    label pending running 0.4
    [*] --> pending: create
    pending --> running: claim
    running --> pending: reset
    running --> running: take over
"""


def texts(picture: str) -> list[str]:
    return ["".join(one.itertext()) for one in ET.fromstring(picture).iter("text")]  # noqa: S314 # ours


def test_a_sequence_shows_everybody_and_everything_that_is_said() -> None:
    picture = draw(SEQUENCE)
    assert texts(picture) == ["a caller", "D", "claim <1 & 2>", "yours", "a heartbeat"]
    assert picture.count("marker-end") == 2


def test_states_are_joined_by_a_curve_and_a_label_for_each_transition() -> None:
    picture = draw(STATES)
    assert sorted(texts(picture)) == ["claim", "create", "pending", "reset", "running", "take over"]
    assert picture.count("marker-end") == 4


def test_nothing_reaches_beyond_the_picture() -> None:
    for text in (SEQUENCE, STATES):
        picture = ET.fromstring(draw(text))  # noqa: S314 # ours
        _, _, width, height = map(float, picture.attrib["viewBox"].split())
        for box in picture.iter("rect"):
            x, y, wide, high = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
            assert min(x, y) >= 0
            assert (x + wide <= width, y + high <= height) == (True, True)


@pytest.mark.parametrize(
    "text",
    [
        "flowchart LR",
        "sequenceDiagram\n participant A\n loop every day",
        "sequenceDiagram\n participant A\n A->>B: hello",
        "sequenceDiagram\n participant A\n A->>A: hello",
        "stateDiagram-v2\n at a 0 0\n a --> b: somewhere",
        "stateDiagram-v2\n at a 0 0\n state a",
    ],
)
def test_what_cannot_be_drawn_is_an_error(text: str) -> None:
    with pytest.raises(UnknownLineError):
        draw(text)


def test_texts_are_broken_into_lines_of_about_one_length() -> None:
    assert wrapped("complete, where the token is still A", 34) == [
        "complete, where the",
        "token is still A",
    ]
    assert wrapped("short", 34) == ["short"]

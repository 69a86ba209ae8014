"""Types of results that a tracker is asked to give back unchanged, and values of them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

# What PostgreSQL's text holds: everything but NUL and lone surrogates.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
# Before 1980 some zones had offsets with seconds, which ISO 8601 cannot write. In hours that the
# clocks repeat or skip, a time equals none in any other zone (PEP 495).
AWARE = st.datetimes(
    datetime(1980, 1, 1),  # noqa: DTZ001 # hypothesis wants its bounds naive
    timezones=st.timezones() | st.just(UTC),
).filter(lambda at: at == at.astimezone(UTC))


class Colour(enum.Enum):
    RED = "red"
    GREEN = 2


class Line(BaseModel):
    name: str
    amount: Decimal
    at: datetime | None = None


class Receipt(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: UUID
    lines: list[Line]
    colour: Colour = Colour.RED
    paid: bool = Field(default=False, alias="isPaid")
    ratio: float = 0.0


@dataclass(frozen=True)
class Point:
    x: int
    y: float
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Visit:
    at: datetime


class Card(BaseModel):
    kind: Literal["card"] = "card"
    number: str


class Cash(BaseModel):
    kind: Literal["cash"] = "cash"
    amount: int


class Pair(NamedTuple):
    left: int
    right: str


Payment = Annotated[Card | Cash, Field(discriminator="kind")]

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
LINES = st.builds(Line, name=TEXT, amount=DECIMALS, at=st.none() | AWARE)
TYPED: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "model": (
        Receipt,
        st.builds(
            Receipt,
            id=st.uuids(),
            lines=st.lists(LINES, max_size=2),
            colour=st.sampled_from(Colour),
            isPaid=st.booleans(),
            ratio=FLOATS,
        ),
    ),
    "dataclass": (Point, st.builds(Point, st.integers(), FLOATS, st.frozensets(TEXT))),
    "decimal": (Decimal, DECIMALS),
    "datetime": (datetime, AWARE),
    "naive datetime": (datetime, st.datetimes()),
    "date": (date, st.dates()),
    "time": (time, st.times()),
    "timedelta": (
        timedelta,
        st.timedeltas(timedelta(days=-(10**6)), timedelta(days=10**6)),
    ),
    "bytes": (bytes, st.binary()),
    "dataclass of bytes": (list[bytes], st.lists(st.binary())),
    "set": (set[int], st.sets(st.integers())),
    "tuple": (tuple[int, str], st.tuples(st.integers(), TEXT)),
    "named tuple": (Pair, st.builds(Pair, st.integers(), TEXT)),
    "enum": (Colour, st.sampled_from(Colour)),
    "float": (float, FLOATS),
    "int": (int, st.integers()),
    "bool": (bool, st.booleans()),
    "text": (str, TEXT),
    "uuid": (UUID, st.uuids()),
    "none": (None, st.none()),
    "union": (int | str | bool | None, st.integers() | TEXT | st.booleans() | st.none()),
    "tagged union": (
        Payment,
        st.builds(Card, number=TEXT) | st.builds(Cash, amount=st.integers()),
    ),
    "mapping": (dict[UUID, list[Decimal]], st.dictionaries(st.uuids(), st.lists(DECIMALS))),
    "optional model": (Line | None, LINES | st.none()),
}

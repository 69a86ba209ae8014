"""What results are written as, what is said of those that cannot be, and times in other forms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, computed_field

from exec_tracker import ConfigurationError, ResultNotStorableError
from exec_tracker.codec import (
    ResultCodec,
    UnstorableValueError,
    codec_for,
    storable_copy,
    storable_json,
)

# The hour that the clocks repeat, when they are put back; and an hour later.
FIRST = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
SECOND = FIRST.replace(fold=1)


def codec(kind: Any, **settings: Any) -> ResultCodec[Any]:
    return codec_for(lambda: None, kind, **settings)


def test_json_is_written_without_spaces_and_as_it_reads() -> None:
    assert storable_json({"é": [1, "ü"], "n": None}) == '{"é":[1,"ü"],"n":null}'
    assert codec_for(lambda: None).encode({"é": [1, 2]}) == '{"é":[1,2]}'


def test_a_copy_is_what_will_be_read_back() -> None:
    assert storable_copy({1: ("a", None)}) == ('{"1":["a",null]}', {"1": ["a", None]})


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (nested(100_000), "it is nested too deeply to be stored as JSON"),
        ("\ud800", "it holds a lone surrogate, which is not Unicode text"),
        ({"a": ["b", "\0"]}, "it holds a NUL character, which PostgreSQL text cannot"),
        ([{"a\0": 1}], "it holds a NUL character, which PostgreSQL text cannot"),
        ({"a": {"b": "\0"}}, "it holds a NUL character, which PostgreSQL text cannot"),
        ({1: "a", "1": "b"}, "two of its keys become the same string"),
        (object, "it is not JSON: Object of type type is not JSON serializable"),
    ],
)
def test_what_cannot_be_stored_says_why(value: Any, said: str) -> None:
    with pytest.raises(UnstorableValueError) as caught:
        storable_json(value)
    assert str(caught.value) == said


def test_plain_results_have_a_name_and_a_limit() -> None:
    assert codec_for(lambda: None).name == "plain JSON"
    with pytest.raises(ResultNotStorableError, match="4 bytes as JSON, more than the 3"):
        codec_for(print, max_bytes=3).encode("é")
    assert codec_for(print, max_bytes=4).encode("é") == '"é"'


def test_typed_results_have_a_limit() -> None:
    with pytest.raises(ResultNotStorableError, match="5 bytes as JSON, more than the 4"):
        codec(int, max_bytes=4).encode(12345)
    assert codec(int, max_bytes=5).encode(12345) == "12345"


def test_a_type_that_cannot_be_hashed_has_a_codec_too() -> None:
    kind = Annotated[int, []]
    assert codec(kind).decode("1") == 1
    with pytest.raises(ResultNotStorableError, match="more than the 3"):
        codec(kind, max_bytes=3).encode(12345)


def test_a_codec_is_made_once() -> None:
    assert codec(int) is codec(int)
    assert codec(int) is not codec(int, max_bytes=1)


class Outer:
    class Inner(BaseModel):
        number: int


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: int

    @computed_field  # type: ignore[prop-decorator] # mypy does not know decorated properties
    @property
    def double(self) -> int:
        return 2 * self.number


@pytest.mark.parametrize(
    ("kind", "name"), [(Outer.Inner, "Outer.Inner"), (int | float, "int | float")]
)
def test_errors_name_the_type(kind: Any, name: str) -> None:
    assert codec(kind).name == name
    with pytest.raises(ConfigurationError) as caught:
        codec(kind).decode('"no"')
    start = f"The stored result does not fit {name}; pass a result_type= that can read it. "
    assert str(caught.value).startswith(start)
    with pytest.raises(ResultNotStorableError) as refused:
        codec(kind).encode("no")
    assert f"it is not a valid {name}: " in str(refused.value)


class Opaque:
    pass


def test_a_type_without_a_codec_is_named_with_the_way_out() -> None:
    with pytest.raises(ConfigurationError) as caught:
        codec(Opaque)
    assert str(caught.value).startswith("Results of type Opaque cannot be stored and read back: ")
    way_out = "Pass result_type= with a type that pydantic can validate, or return plain JSON."
    assert str(caught.value).endswith(f" {way_out}")


def test_what_is_computed_is_not_stored() -> None:
    one = codec(Whole)
    assert one.encode(Whole(number=2)) == '{"number":2}'


def test_a_model_that_was_filled_past_its_validation_is_refused() -> None:
    with pytest.raises(ResultNotStorableError, match="it cannot be written as JSON: "):
        codec(Whole).encode(Whole.model_construct(number="two"))  # type: ignore[arg-type] # that is the point


def at_least_five() -> Annotated[int, Field(ge=5)]:
    return 1


def test_what_an_annotation_demands_besides_the_type_counts() -> None:
    assert codec_for(at_least_five).encode(5) == "5"
    with pytest.raises(ResultNotStorableError):
        codec_for(at_least_five).encode(1)


class Meeting(BaseModel):
    begins: datetime
    topic: str = ""


@dataclass
class Slot:
    begins: datetime
    number: int = 0


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (datetime, FIRST),
        (datetime, SECOND),
        (list[datetime], [FIRST, SECOND, datetime(2026, 1, 1, tzinfo=UTC)]),
        (tuple[int, datetime], (1, SECOND)),
        (dict[str, datetime | int], {"a": SECOND, "b": 2}),
        (Meeting, Meeting(begins=SECOND, topic="clocks")),
        (Slot, Slot(SECOND, 2)),
        (list[Meeting | Slot], [Slot(FIRST), Meeting(begins=FIRST)]),
        (dict[str, list[Meeting]], {"all": [Meeting(begins=FIRST)]}),
    ],
)
def test_a_moment_in_an_hour_that_the_clocks_repeat_survives(kind: Any, value: Any) -> None:
    one = codec(kind)
    back = one.decode(one.encode(value))
    assert type(back) is type(value)
    assert one.encode(back) == one.encode(value)


Later = Annotated[datetime, PlainSerializer(lambda at: (at + timedelta(hours=1)).isoformat())]
More = Annotated[int, PlainSerializer(lambda number: number + 1)]
Text = Annotated[int | str, PlainSerializer(str)]
Moment = Annotated[datetime | int, PlainSerializer(lambda _: FIRST.isoformat())]
Naive = Annotated[datetime, PlainSerializer(lambda at: at.replace(tzinfo=None).isoformat())]


@dataclass
class Counted:
    begins: datetime
    number: More = 0


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Later, FIRST),
        (Later, datetime(2026, 1, 1, tzinfo=UTC)),
        (Later, datetime(2026, 1, 1)),  # noqa: DTZ001 # a time without a zone is the point
        (Naive, FIRST),
        (list[Later], [FIRST]),
        (More, 1),
        (list[More], [1]),
        (tuple[datetime, More], (FIRST, 1)),
        (dict[str, More], {"a": 1}),
        (Text, 5),
        (list[Text], [5]),
        (Moment, 5),
        (Counted, Counted(FIRST, 1)),
        (list[Counted], [Counted(FIRST, 1)]),
    ],
)
def test_what_differs_by_more_than_the_form_of_its_times_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(ResultNotStorableError, match="does not read back as an equal"):
        codec(kind).encode(value)

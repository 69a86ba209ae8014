"""A snapshot is built without validation, and is no different from one that was validated."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from exec_tracker import Execution, ExecutionResult
from exec_tracker.models.rows import COLUMN_NAMES, TIME_COLUMNS
from exec_tracker.snapshots import StoredRow, result_of, snapshot

USER = UUID(int=7)
THEN = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def row(**values: Any) -> list[Any]:
    full = {
        "id": "k",
        "workflow_id": "w",
        "user_id": str(USER),
        "status": "completed",
        "actor": "system",
        "result": '{"a": [1, 2.5, null]}',
        "parameters": '{"b": true}',
        "attempt": "1",
        "claim_token": str(UUID(int=8)),
        **dict.fromkeys(TIME_COLUMNS, f"{int(THEN.timestamp())}.000006"),
        **values,
    }
    return [full.get(name) for name in COLUMN_NAMES]


def validated(columns: list[Any]) -> Execution:
    built = snapshot(columns)
    return Execution.model_validate(built.model_dump(exclude={"is_abandoned"}))


def test_it_equals_what_validation_makes_of_it() -> None:
    built = snapshot(row())
    again = validated(row())
    assert built.model_dump() == again.model_dump()
    assert built.model_dump_json() == again.model_dump_json()
    assert list(built.model_dump()) == list(again.model_dump())
    assert built.model_fields_set == again.model_fields_set == set(Execution.model_fields)
    assert repr(built) == repr(again)
    assert built.result_json == '{"a": [1, 2.5, null]}'


def test_it_is_frozen_copied_and_pickled_as_models_are() -> None:
    built = snapshot(row())
    with pytest.raises(ValidationError):
        built.status = "failed"  # type: ignore[assignment, misc]
    assert built.model_copy(update={"attempt": 2}).attempt == 2
    back = pickle.loads(pickle.dumps(built))  # noqa: S301 # our own bytes
    assert (back, back.result_json) == (built, built.result_json)
    assert built == snapshot(row())
    assert built != snapshot(row(attempt="2"))


@pytest.mark.parametrize(
    ("seconds", "moment"),
    [
        ("1767323045.000006", THEN),
        ("-0.000001", datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("1767323045", THEN.replace(microsecond=0)),
        ("1767323045.5", THEN.replace(microsecond=500_000)),
        ("Infinity", datetime.max.replace(tzinfo=UTC)),
        ("-Infinity", datetime.min.replace(tzinfo=UTC)),
        ("253402300800.000000", datetime.max.replace(tzinfo=UTC)),
        ("-62135596800.000001", datetime.min.replace(tzinfo=UTC)),
    ],
)
def test_a_time_is_exact_and_one_beyond_the_calendar_is_its_end(
    seconds: str, moment: datetime
) -> None:
    built = snapshot(row(created_at=seconds))
    assert built.created_at == moment
    assert built.created_at.tzinfo is UTC


def test_a_result_of_null_is_not_the_lack_of_one() -> None:
    assert snapshot(row(result="null")).result_json == "null"
    assert snapshot(row(result=None)).result_json is None


@given(st.datetimes(datetime(1900, 1, 1), datetime(2400, 1, 1)))  # noqa: DTZ001 # UTC is meant
def test_every_microsecond_is_told_from_the_next(moment: datetime) -> None:
    exact = (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001 # as above
    sign, digits = "-" * (exact < 0), f"{abs(exact):07}"
    built = snapshot(row(created_at=f"{sign}{digits[:-6]}.{digits[-6:]}"))
    assert built.created_at == moment.replace(tzinfo=UTC)


@pytest.mark.parametrize("status", ["pending", "running", "completed", "failed"])
@pytest.mark.parametrize("token", [None, str(UUID(int=8))])
def test_a_row_that_is_read_as_asked_says_what_its_snapshot_says(
    status: str, token: str | None
) -> None:
    error = '{"retryable": false, "outcome_unknown": true}'
    columns = row(status=status, claim_token=token, error=error, fingerprint="v1:a", erased_at=None)
    stored, whole = StoredRow(columns), snapshot(columns)
    assert stored.execution() == whole
    assert stored.execution() is stored.execution()
    for name in (
        *("id", "workflow_id", "user_id", "status", "attempt", "fingerprint", "claim_token"),
        *("trace_context", "erased_at", "error", "is_abandoned", "retry_at", "observed_at"),
        "result_json",
    ):
        assert getattr(stored, name) == getattr(whole, name), name
    erased = row(status=status)
    assert StoredRow(erased).erased_at is not None


def test_a_result_with_a_row_is_no_different_from_one_with_a_snapshot() -> None:
    later = result_of({"a": 1}, StoredRow(row()), cached=True)
    at_once = ExecutionResult({"a": 1}, True, snapshot(row()))
    assert repr(later) == repr(at_once)
    assert pickle.loads(pickle.dumps(result_of({"a": 1}, StoredRow(row()), cached=True))) == at_once  # noqa: S301
    assert later == at_once == result_of({"a": 1}, snapshot(row()), cached=True)
    assert asdict(later) == asdict(at_once)
    other = result_of({"a": 1}, StoredRow(row()), cached=True)
    assert replace(other, cached=False) == ExecutionResult({"a": 1}, False, snapshot(row()))
    assert other.execution is other.execution
    with pytest.raises(FrozenInstanceError):
        other.data = 2  # type: ignore[misc, assignment]
    with pytest.raises(AttributeError, match="'ExecutionResult' object has no attribute 'date'"):
        _ = other.date  # type: ignore[attr-defined]

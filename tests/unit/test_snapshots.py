"""A snapshot is built without validation, and is no different from one that was validated."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from exec_tracker import Execution
from exec_tracker.snapshots import snapshot
from exec_tracker.statements import COLUMN_NAMES

USER = UUID(int=7)
THEN = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def row(**values: Any) -> list[Any]:
    full = {
        "id": "k",
        "workflow_id": "w",
        "user_id": USER,
        "status": "completed",
        "actor": "system",
        "result": '{"a": [1, 2.5, null]}',
        "parameters": '{"b": true}',
        "attempt": 1,
        "claim_token": UUID(int=8),
        **{name: THEN for name in COLUMN_NAMES if name.endswith("_at")},
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
    assert built != snapshot(row(attempt=2))


def test_drivers_may_give_identifiers_as_text_and_times_in_any_zone() -> None:
    east = timezone(timedelta(hours=5))
    odd = row(user_id=str(USER), claim_token=str(UUID(int=8)), created_at=THEN.astimezone(east))
    built = snapshot(odd)
    assert (built.user_id, built.claim_token) == (USER, UUID(int=8))
    assert built.created_at.tzinfo is UTC
    assert built == snapshot(row())


def test_a_result_of_null_is_not_the_lack_of_one() -> None:
    assert snapshot(row(result="null")).result_json == "null"
    assert snapshot(row(result=None)).result_json is None

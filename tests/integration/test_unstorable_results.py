"""A result that cannot be stored: the effect happened, so the row says so and never runs again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from exec_tracker import ConfigurationError, ExecutionFailedError, ResultNotStorableError
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.testing import DatabaseClock
    from tests.support.database import Database
    from tests.support.fixtures import NewSubject
    from tests.support.subjects import Subject


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


UNSTORABLE = {
    "NaN": float("nan"),
    "infinity": {"a": [float("-inf")]},
    "NUL": "a\0b",
    "NUL in a key": {"a\0": 1},
    "lone surrogate": ["\ud800"],
    "object": object(),
    "bytes": b"bytes",
    "set": {1},
    "colliding keys": {1: "a", "1": "b"},
    "too deep": nested(100_000),
    "too deep for the server": nested(900),
    "a number beyond the server's": {"n": 10**200_000},
}
STORABLE = ("too deep for the server",)  # whether it is depends on the server's stack


@pytest.mark.parametrize("name", [name for name in UNSTORABLE if name not in STORABLE])
def test_an_unstorable_result_ends_failed_and_is_never_run_again(
    subject: Subject, user_id: UUID, database: Database, name: str
) -> None:
    calls = Calls(UNSTORABLE[name])
    with pytest.raises(ResultNotStorableError) as caught:
        subject.execute(options("k", user_id), calls)
    assert caught.value.result is UNSTORABLE[name]
    row = database.row("k")
    assert row["status"] == "failed"
    assert row["error"]["type"] == "exec_tracker.errors.ResultNotStorableError"
    assert row["error"]["retryable"] is False
    assert "has happened" in row["error_message"]
    for settings in ({}, {"on_abandoned": "retry"}, {"on_running": "wait"}):
        with pytest.raises(ExecutionFailedError):
            subject.execute(options("k", user_id), calls, **settings)
    assert calls.count == 1


def test_a_result_is_stored_or_refused_but_never_left_running_whatever_its_depth(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    deep = UNSTORABLE["too deep for the server"]
    try:
        assert subject.execute_idempotent(options("k", user_id), Calls(deep)) == deep
    except ResultNotStorableError:
        assert database.row("k")["status"] == "failed"
    else:
        assert database.row("k")["status"] == "completed"


def test_a_result_larger_than_allowed_is_refused(new_subject: NewSubject, user_id: UUID) -> None:
    subject = new_subject(max_result_bytes=1000)
    assert subject.execute_idempotent(options("fits", user_id), Calls("x" * 998)) == "x" * 998
    with pytest.raises(ResultNotStorableError, match="1,000 allowed"):
        subject.execute(options("k", user_id), Calls("é" * 500))


class Receipt(BaseModel):
    number: int


def test_a_result_of_another_type_than_promised_is_not_storable(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    calls = Calls({"number": "many"})
    with pytest.raises(ResultNotStorableError, match="Receipt"):
        subject.execute(options("k", user_id), calls, result_type=Receipt)
    assert database.row("k")["status"] == "failed"


def test_a_type_that_cannot_be_read_back_is_refused_before_the_function_runs(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    class Opaque: ...

    calls = Calls(Opaque())
    with pytest.raises(ConfigurationError, match="Opaque"):
        subject.execute(options("k", user_id), calls, result_type=Opaque)
    assert calls.count == 0
    assert database.all("SELECT 1 FROM workflow_executions") == []


def test_a_stored_result_that_no_longer_fits_the_type_is_an_error_and_not_another_run(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    subject.execute(options("k", user_id), Calls({"old": True}))
    calls = Calls({"number": 1})
    with pytest.raises(ConfigurationError, match=r"does not fit .*Receipt"):
        subject.execute(options("k", user_id), calls, result_type=Receipt)
    assert calls.count == 0
    row = database.row("k")
    assert (row["status"], row["result"], row["attempt"]) == ("completed", {"old": True}, 1)


def test_an_unstorable_outcome_is_not_abandoned(
    subject: Subject, user_id: UUID, database_clock: DatabaseClock
) -> None:
    with pytest.raises(ResultNotStorableError):
        subject.execute(options("k", user_id), Calls(object()))
    assert subject.find_abandoned() == []
    assert subject.count_by_status()["failed"] == 1

"""A key runs its function once; later calls get what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import ExecutionInProgressError, ExecutionStatus
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.fixtures import Running
    from tests.support.subjects import Subject


def test_a_fresh_key_runs_the_function_and_stores_its_result(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    result = subject.execute(options("k", user_id), Calls({"paid": 3}))
    assert (result.data, result.cached) == ({"paid": 3}, False)
    row = database.row("k")
    assert (row["status"], row["result"], row["attempt"]) == ("completed", {"paid": 3}, 1)
    assert row["started_at"] <= row["completed_at"]
    assert row["lease_expires_at"] is None
    assert database.attempts("k") == []


def test_second_caller_with_same_key_replays_the_first_outcome(
    subject: Subject, user_id: UUID
) -> None:
    calls = Calls({"paid": 3})
    subject.execute_idempotent(options("k", user_id), calls)
    again = subject.execute(options("k", user_id), calls)
    assert (again.data, again.cached, calls.count) == ({"paid": 3}, True, 1)


def test_a_replay_writes_nothing(subject: Subject, user_id: UUID, database: Database) -> None:
    subject.execute(options("k", user_id), Calls())
    version = "SELECT xmin::text || ctid::text || xmax::text FROM workflow_executions"
    before = database.value(version)
    subject.execute(options("k", user_id), Calls())
    assert database.value(version) == before


def test_the_row_says_what_was_asked_and_by_whom(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    asked = options("k", user_id, workflow_name="W", actor="webhook", parameters={"a": [1, None]})
    subject.execute(asked, Calls())
    row = database.row("k")
    assert (row["workflow_id"], row["workflow_name"], row["actor"]) == ("w", "W", "webhook")
    assert (row["user_id"], row["parameters"]) == (str(user_id), {"a": [1, None]})
    assert row["fingerprint"].startswith("v1:")


@pytest.mark.parametrize("falsy", [None, 0, False, "", [], {}, 0.0])
def test_a_falsy_result_is_a_result(subject: Subject, user_id: UUID, falsy: Any) -> None:
    calls = Calls(falsy)
    first = subject.execute_idempotent(options("k", user_id), calls)
    again = subject.execute_idempotent(options("k", user_id), calls)
    assert (first, type(first), again, type(again)) == (falsy, type(falsy)) * 2
    assert calls.count == 1


def test_no_result_is_stored_as_json_null_and_not_as_sql_null(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    subject.execute(options("k", user_id), Calls(None))
    assert database.value("SELECT jsonb_typeof(result) FROM workflow_executions") == "null"


def test_a_failed_key_is_retried_and_its_failure_stays_in_the_history(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    with pytest.raises(LookupError):
        subject.execute(options("k", user_id), Calls(raises=LookupError("no such card")))
    failed = database.row("k")
    assert (failed["status"], failed["error_message"]) == ("failed", "no such card")
    assert subject.execute_idempotent(options("k", user_id), Calls("paid")) == "paid"
    row = database.row("k")
    assert (row["status"], row["attempt"], row["error_message"]) == ("completed", 2, None)
    (attempt,) = database.attempts("k")
    assert (attempt["attempt"], attempt["outcome"]) == (1, "failed")
    assert attempt["error"]["type"] == "LookupError"
    assert attempt["error"]["message"] == "no such card"
    assert "Traceback" in attempt["error"]["traceback"]


def test_the_row_its_user_may_read_holds_no_traceback(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    with pytest.raises(LookupError):
        subject.execute(options("k", user_id), Calls(raises=LookupError("no")))
    assert set(database.row("k")["error"]) == {"type", "retryable", "outcome_unknown"}
    assert "Traceback" not in str(database.row("k"))


class DisputedError(Exception):
    """Refuses to be built again, or to be printed."""

    def __init__(self, *, charge: int) -> None:
        self.charge = charge

    def __str__(self) -> str:
        raise RuntimeError("nothing to say")


@pytest.mark.parametrize(
    "error", [ValueError("a", 1), DisputedError(charge=1), StopAsyncIteration(), KeyError()]
)
def test_the_executors_exception_reaches_the_caller_unchanged(
    subject: Subject, user_id: UUID, error: Exception, database: Database
) -> None:
    with pytest.raises(type(error)) as caught:
        subject.execute(options("k", user_id), Calls(raises=error))
    assert caught.value is error
    assert database.row("k")["status"] == "failed"


def test_a_stop_iteration_is_an_error_like_any_other(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    error = StopIteration(7)
    # No coroutine can raise it: Python itself makes it the cause of a RuntimeError (PEP 479).
    expected = RuntimeError if subject.driver.startswith("async") else StopIteration
    with pytest.raises(expected) as caught:
        subject.execute(options("k", user_id), Calls(raises=error))
    assert error in (caught.value, caught.value.__cause__)
    row = database.row("k")
    assert (row["status"], row["error"]["type"]) == ("failed", "StopIteration")


def test_an_error_text_that_postgresql_refuses_is_recorded_in_words(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    error = ValueError("nul \0, surrogate \ud800, " + "long " * 10_000)
    with pytest.raises(ValueError, match="nul") as caught:
        subject.execute(options("k", user_id), Calls(raises=error))
    assert caught.value is error
    row = database.row("k")
    assert row["status"] == "failed"
    assert row["error_message"].startswith(r"nul \x00, surrogate \ud800")
    assert len(row["error_message"]) < 20_000


def test_a_running_key_is_refused_and_not_run(
    subject: Subject, user_id: UUID, running: Running
) -> None:
    executor, first = running(subject, options("k", user_id))
    second = Calls()
    with pytest.raises(ExecutionInProgressError) as caught:
        subject.execute(options("k", user_id), second)
    assert caught.value.execution is not None
    assert caught.value.execution.status is ExecutionStatus.RUNNING
    assert caught.value.retry_after is not None
    executor.release()
    assert (first.result(), executor.count, second.count) == ("done", 1, 0)


def test_the_claim_can_be_seen_while_the_function_runs(
    subject: Subject, user_id: UUID, running: Running, database: Database
) -> None:
    running(subject, options("k", user_id))
    row = database.row("k")
    assert (row["status"], row["attempt"], row["result"]) == ("running", 1, None)
    assert row["claim_token"] is not None
    assert row["lease_expires_at"] > row["started_at"]


def test_no_transaction_is_open_while_the_function_runs(
    subject: Subject, user_id: UUID, running: Running, database: Database
) -> None:
    running(subject, options("k", user_id))
    assert database.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND state <> 'idle' AND backend_type = 'client backend'"
    ) == 0  # fmt: skip


def test_the_function_is_told_its_key_attempt_and_token(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    calls = Calls()
    subject.execute(options("k", user_id, key_scope="user"), calls)
    (context,) = calls.contexts
    stored = database.row(f"{user_id}:k")
    assert (context.idempotency_key, context.execution_id) == ("k", f"{user_id}:k")
    assert (context.attempt, str(context.claim_token)) == (1, stored["claim_token"])
    assert context.lease_lost is False


def test_every_claim_has_a_token_of_its_own(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    tokens = set()
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            subject.execute(options("k", user_id), Calls(raises=ValueError("no")))
        tokens.add(database.row("k")["claim_token"])
    assert len(tokens) == 3
    assert database.row("k")["attempt"] == 3


def test_observers_hear_of_every_decision_and_cannot_disturb(
    new_subject: Any, user_id: UUID
) -> None:
    heard: list[Any] = []

    def observe(event: Any) -> None:
        heard.append(str(event.name))
        raise RuntimeError("a broken observer")

    subject = new_subject(on_event=observe)
    subject.execute(options("k", user_id), Calls())
    subject.execute(options("k", user_id), Calls())
    assert heard == ["claimed", "completed", "replayed"]

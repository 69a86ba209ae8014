"""A batch that is struck at each of its statements in turn: nothing is lost, nothing runs twice."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import ExecutionTracker, TransientStorageError
from tests.support.database import eventually
from tests.support.executors import options
from tests.support.strikes import Strikes, When

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from exec_tracker import ExecuteOptions, ExecutionOutcome
    from tests.support.database import Database

# As many statements as a batch with every kind of key has at the very least.
ENOUGH = 8


@pytest.fixture
def strikes(monkeypatch: pytest.MonkeyPatch) -> Strikes:
    return Strikes(monkeypatch)


class Batch:
    """A batch with a key of every kind, under names of its own, and how often each was run."""

    def __init__(self, tracker: Any, user_id: UUID, name: str) -> None:
        self.runs: Counter[str] = Counter()
        self.keys = [f"{name}-{kind}" for kind in ("a", "pending", "failed", "done", "raises", "b")]
        self.asked = [options(key, user_id) for key in self.keys]
        _, pending, failed, done, *_ = self.asked
        tracker.create_execution(pending)
        tracker.create_execution(failed)
        tracker.mark_failed(failed.execution_id, "no")
        tracker.create_execution(done)
        tracker.mark_completed(done.execution_id, done.execution_id)

    @property
    def with_one_twice(self) -> list[ExecuteOptions]:
        return [*self.asked, self.asked[0]]

    def work(self, context: Any) -> str:
        self.runs[context.idempotency_key] += 1
        if "raises" in context.idempotency_key:
            raise ValueError("no")
        return str(context.idempotency_key)


def undisturbed(batch: Batch, outcomes: list[ExecutionOutcome[Any]]) -> None:
    assert [one.execution_id for one in outcomes] == [
        one.execution_id for one in batch.with_one_twice
    ]
    for one in outcomes:
        if "raises" in one.execution_id:
            assert isinstance(one.error, ValueError)
        else:
            assert one.data == one.execution_id
    assert set(batch.runs.values()) == {1}
    assert len(batch.runs) == len(batch.keys) - 1


def lost() -> None:
    raise TransientStorageError("the connection was lost", in_doubt=True)


def at_every_statement(strikes: Strikes) -> Iterator[int]:
    """Count up until there are no more statements to strike at."""
    for at in itertools.count(1):
        yield at
        if not strikes.has_struck:
            assert at > ENOUGH
            return


@pytest.mark.parametrize("when", ["before", "after"], ids=["unsent", "unanswered"])
def test_a_connection_lost_at_any_statement_of_a_batch_does_not_matter(
    database_url: str, user_id: UUID, strikes: Strikes, when: When
) -> None:
    with ExecutionTracker(database_url) as tracker:
        for at in at_every_statement(strikes):
            batch = Batch(tracker, user_id, f"{at}")
            strikes.arm(at, when, lost)
            undisturbed(batch, tracker.execute_many(batch.with_one_twice, batch.work))


def interrupt() -> None:
    raise KeyboardInterrupt


class TimeLimitError(Exception):
    """Such as a task queue raises from a signal handler."""


def time_limit() -> None:
    raise TimeLimitError


@pytest.mark.parametrize("what", [interrupt, time_limit])
@pytest.mark.parametrize("when", ["before", "after"], ids=["unsent", "unanswered"])
def test_an_interrupt_at_any_statement_of_a_batch_loses_no_result_and_runs_nothing_twice(
    database_url: str, user_id: UUID, strikes: Strikes, database: Database, *, when: When, what: Any
) -> None:
    others = heartbeats()  # of other tests' trackers, which may hold claims for good
    for at in at_every_statement(strikes):
        with ExecutionTracker(database_url) as tracker:
            batch = Batch(tracker, user_id, f"{at}")
            strikes.arm(at, when, what)
            assert interrupts(tracker, batch) == strikes.has_struck
            returned = [key for key in batch.runs if "raises" not in key]
            assert {database.row(key)["status"] for key in returned} <= {"completed"}
            strikes.disarm()
            for one in tracker.execute_many(batch.asked, batch.work):
                assert "raises" in one.execution_id or one.data == one.execution_id
        assert {batch.runs[key] for key in batch.keys if "raises" not in key} <= {0, 1}
        eventually(lambda: heartbeats() <= others)


def interrupts(tracker: ExecutionTracker, batch: Batch) -> bool:
    """Run the batch and tell whether the interrupt was heard: an Exception may be a key's own."""
    try:
        outcomes = tracker.execute_many(batch.with_one_twice, batch.work)
    except (KeyboardInterrupt, TimeLimitError):
        return True
    return any(isinstance(one.error, TimeLimitError) for one in outcomes)


def heartbeats() -> set[threading.Thread]:
    """A closed tracker's thread lives for as long as a lease is kept."""
    return {one for one in threading.enumerate() if one.name == "exec_tracker heartbeat"}

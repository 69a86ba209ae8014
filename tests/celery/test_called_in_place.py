"""Tasks that are called as functions or eagerly, without a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import (
    ConfigurationError,
    ExecuteOptions,
    ExecutionInProgressError,
    ExecutionTracker,
    reset_execution_tracker,
)
from exec_tracker.integrations.celery import IdempotentTask, idempotent_task
from tests.celery.here import OWN, define

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from celery import Celery


@pytest.fixture
def ours(database_url: str, user_id: UUID) -> Iterator[dict[str, Any]]:
    """Yield what a task needs to work on this test's database."""
    with ExecutionTracker(database_url) as tracker:
        yield {"tracker": tracker, "user_id": user_id}


def test_a_task_with_a_key_may_be_called_as_a_function(
    app: Celery, tracker: ExecutionTracker, ours: dict[str, Any]
) -> None:
    task = define(app, key="order:{order}", **ours)
    assert task(7) == [7, 0]
    assert task.run(order=7) == [7, 0]
    assert task.run(8) == [8, 0]
    found = tracker.get_execution("order:7")
    assert found is not None
    assert (found.workflow_id, found.parameters) == ("do", {"order": 7, "cents": 0})
    assert tracker.get_execution("order:8") is not None


def test_a_task_without_a_key_needs_a_task_id(app: Celery, ours: dict[str, Any]) -> None:
    task = define(app, **ours)
    with pytest.raises(ConfigurationError, match="no task id"):
        task(7)
    plain: Any = task.__wrapped__
    assert plain(7) == [7, 0]
    assert [task.apply((7,), task_id="one").get() for _ in range(2)] == [[7, 0]] * 2


def test_a_workflow_of_its_own_outlives_the_tasks_name(
    app: Celery, tracker: ExecutionTracker, ours: dict[str, Any]
) -> None:
    define(app, workflow_id="charge", workflow_name="Charge", **ours).apply((7,), task_id="one")
    found = tracker.get_execution("one")
    assert found is not None
    assert (found.workflow_id, found.workflow_name) == ("charge", "Charge")


def test_without_a_tracker_it_is_the_shared_one(
    app: Celery, ours: dict[str, Any], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXEC_TRACKER_DATABASE_URL", database_url)
    task = define(app, user_id=ours["user_id"])
    try:
        assert task.apply((7,), task_id="one").get() == [7, 0]
        reset_execution_tracker()
        assert task.apply((7,), task_id="one").get() == [7, 0]
    finally:
        reset_execution_tracker()


def test_called_in_place_nobody_comes_back_for_running_work(
    app: Celery, tracker: ExecutionTracker, ours: dict[str, Any]
) -> None:
    task = define(app, key="order:{order}", parameters=(), **ours)
    options = ExecuteOptions(
        idempotency_key="order:7", workflow_id="do", user_id=ours["user_id"], parameters={}
    )
    with tracker.claim(options) as claim:
        with pytest.raises(ExecutionInProgressError):
            task(7)
        with pytest.raises(ExecutionInProgressError):
            task.apply((7,)).get()
        claim.complete([7, 1])
    assert task(7) == [7, 1]


def test_the_run_of_a_base_class_is_part_of_the_same_execution(
    app: Celery, tracker: ExecutionTracker, ours: dict[str, Any]
) -> None:
    class Plain(IdempotentTask):
        def run(self, number: int) -> int:
            return number + 1

    class Doubled(Plain):
        name = "doubled"
        key = "double:{number}"
        user_id = ours["user_id"]

        def run(self, number: int) -> int:
            return 2 * int(super().run(number))

    Doubled.tracker = ours["tracker"]
    task = app.register_task(Doubled())
    assert task.apply((20,)).get() == 42
    found = tracker.get_execution("double:20")
    assert found is not None
    assert found.result == 42


def test_a_task_that_calls_another_in_its_function_has_two_executions(
    app: Celery, tracker: ExecutionTracker, ours: dict[str, Any]
) -> None:
    inner = define(app, key="inner:{order}", **ours)

    @idempotent_task(app, key="outer:{order}", name="outer", shared=False, **ours)
    def outer(order: int) -> Any:
        return inner(order)

    app.finalize()
    assert outer(7) == [7, 0]
    assert tracker.get_execution("outer:7") is not None
    assert tracker.get_execution("inner:7") is not None


def test_a_task_that_does_not_run_has_no_context(app: Celery) -> None:
    with pytest.raises(ConfigurationError, match="not running"):
        _ = define(app).execution_context


def test_a_retry_by_hand_without_a_reason_is_an_attempt_too(
    app: Celery, tracker: ExecutionTracker, ours: dict[str, Any]
) -> None:
    @idempotent_task(app, bind=True, **OWN, **ours)
    def do(self: IdempotentTask) -> int:
        if self.request.retries == 0:
            raise self.retry(countdown=0)
        return int(self.request.retries)

    app.finalize()
    assert do.apply(task_id="one").get() == 1
    (failed,) = tracker.get_attempts("one")
    assert (failed.error or {})["type"] == "celery.exceptions.Retry"


def test_an_eager_retry_is_the_next_attempt(
    app: Celery, tracker: ExecutionTracker, ours: dict[str, Any]
) -> None:
    tries: list[int] = []

    @idempotent_task(app, autoretry_for=(ConnectionError,), **OWN, **ours)
    def do() -> int:
        tries.append(len(tries))
        if len(tries) < 3:
            raise ConnectionError("again")
        return len(tries)

    app.finalize()
    assert do.apply(task_id="one").get() == 3
    assert [one.attempt for one in tracker.get_attempts("one")] == [1, 2]


def lambdas() -> list[Callable[..., str]]:
    return [lambda order, **_: f"order:{order}", lambda **arguments: f"order:{arguments['order']}"]


@pytest.mark.parametrize("key", lambdas())
def test_a_key_may_be_computed_from_the_arguments(
    app: Celery, tracker: ExecutionTracker, ours: dict[str, Any], key: Callable[..., str]
) -> None:
    assert define(app, key=key, **ours).apply((7,)).get() == [7, 0]
    assert tracker.get_execution("order:7") is not None

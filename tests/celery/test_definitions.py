"""What a task may say, what is refused when it is registered, and tasks called in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from celery import Celery

from exec_tracker import (
    AsyncExecutionTracker,
    ConfigurationError,
    ExecuteOptions,
    ExecutionInProgressError,
    ExecutionTracker,
    RetryPolicy,
    reset_execution_tracker,
)
from exec_tracker.integrations.celery import IdempotentTask, idempotent_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USER = uuid4()


@pytest.fixture
def app() -> Iterator[Celery]:
    """Yield an app without a broker: tasks are called in place."""
    with Celery("here", broker="memory://", set_as_current=False) as made:
        yield made


# Celery would register the tasks of one test's app with the apps of all others.
OWN: dict[str, Any] = {"name": "do", "shared": False}


def define(app: Celery, **attributes: Any) -> IdempotentTask:
    """Make a task and let Celery register it, as a worker does when it starts."""

    @app.task(base=IdempotentTask, **{**OWN, "user_id": USER, **attributes})  # type: ignore[untyped-decorator]
    def do(order: int, cents: int = 0) -> list[int]:
        return [order, cents]

    app.finalize()
    made: IdempotentTask = app.tasks["do"]
    return made


def test_a_task_is_acknowledged_late_and_survives_its_worker(app: Celery) -> None:
    task = define(app)
    assert (task.acks_late, task.reject_on_worker_lost) == (True, True)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"user_id": None}, "needs a user_id"),
        ({"user_id": "{customer}"}, "names 'customer'"),
        ({"key": "order:{number}"}, "names 'number'"),
        ({"parameters": ("number",)}, "names 'number'"),
        ({"on_running": "raise"}, "on_running must be"),
        ({"on_running": "drop"}, "needs a key="),
        ({"on_abandoned": "maybe"}, "on_abandoned must be"),
        ({"unknown_on": "TimeoutError"}, "unknown_on must be"),
        ({"retry": RetryPolicy()}, "retry_policy="),
        ({"retry_policy": 3}, "retry must be a RetryPolicy"),
        ({"tracker": "postgresql://localhost"}, "tracker must be"),
        ({"lease": 5}, "lease must be"),
    ],
)
def test_what_cannot_work_is_refused_when_the_task_is_registered(
    app: Celery, attributes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        define(app, **attributes)


def test_an_async_tracker_is_refused(app: Celery, database_url: str) -> None:
    tracker = AsyncExecutionTracker(database_url.replace("+psycopg2", ""))
    with pytest.raises(ConfigurationError, match="tracker must be"):
        define(app, tracker=tracker)


def test_an_async_function_is_refused(app: Celery) -> None:
    @idempotent_task(app, user_id=USER, **OWN)
    async def do() -> None: ...

    with pytest.raises(ConfigurationError, match="this one is async"):
        app.finalize()


def test_a_base_that_is_no_idempotent_task_is_refused(app: Celery) -> None:
    base: Any = app.Task
    with pytest.raises(ConfigurationError, match="subclass of IdempotentTask"):
        idempotent_task(app, user_id=USER, base=base)


def test_the_decorator_hands_every_option_on(app: Celery) -> None:
    policy = RetryPolicy(max_attempts=2)

    @idempotent_task(
        app, user_id="{user}", key="k:{user}", retry=policy, max_retries=7, bind=True, **OWN
    )
    def do(self: IdempotentTask, user: str) -> str:
        return user

    app.finalize()
    assert (do.retry_policy, do.max_retries, do.key) == (policy, 7, "k:{user}")


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
    assert task(order=7) == [7, 0]
    found = tracker.get_execution("order:7")
    assert found is not None
    assert (found.workflow_id, found.parameters) == ("do", {"order": 7, "cents": 0})


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

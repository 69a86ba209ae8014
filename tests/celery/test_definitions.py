"""What a task may say, and what is refused when it is registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import AsyncExecutionTracker, ConfigurationError, RetryPolicy
from exec_tracker.integrations.celery import IdempotentTask, idempotent_task
from tests.celery.here import OWN, USER, define

if TYPE_CHECKING:
    from celery import Celery


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

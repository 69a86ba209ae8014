"""Tasks that are defined in a test, of an app of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from exec_tracker.integrations.celery import IdempotentTask

if TYPE_CHECKING:
    from celery import Celery

USER = uuid4()
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

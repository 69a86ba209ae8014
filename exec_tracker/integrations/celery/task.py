"""The task class whose deliveries run once per key, and the decorator that makes such tasks."""

from __future__ import annotations

import inspect
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

from celery import Task

from exec_tracker.errors import ConfigurationError, ExecTrackerError
from exec_tracker.integrations.celery.delivery import Delivery
from exec_tracker.integrations.celery.terms import terms_of
from exec_tracker.keywords import NO_RETRY_LIMIT
from exec_tracker.policies import RetryPolicy
from exec_tracker.types import KeyScope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta
    from uuid import UUID

    from celery import Celery

    from exec_tracker.context import ExecutionContext
    from exec_tracker.integrations.celery.terms import Terms
    from exec_tracker.tracker import ExecutionTracker
    from exec_tracker.types import ExecutionActor, OnAbandoned, OnFailed


class IdempotentTask(Task):  # type: ignore[misc] # Celery ships no type information
    """Base class of tasks that run once per key: `@app.task(base=IdempotentTask, user_id=…)`.

    A delivery whose key has a result returns it without running. The result is stored and returned
    as plain JSON, also where the function returns a model. One whose key is running elsewhere comes
    back later, not counted as a retry. One whose outcome is unknown, since its worker was killed,
    raises ExecutionAbandonedError unless `on_abandoned` or `verify` decides. A function that raised
    is stored as failed, and Celery's next try of it is the next attempt.

    These attributes may be given to `app.task` or set in a subclass; those that are not explained
    here are keywords of `ExecutionTracker.execute`, as are `result_type`, `wait_timeout`,
    `on_failed`, `on_abandoned`, `verify`, `lease` and `save_timeout`:

    - `user_id`: required; a UUID, a template over the arguments, or a function of them.
    - `key`: a template or a function; without it the task id, which redeliveries and retries keep.
    - `workflow_id`: without it the task's name.
    - `parameters`: the arguments that identify the request, as in `ExecutionTracker.idempotent`.
    - `tracker`: a tracker, or a function that makes one, called once in each process; without it
      `get_execution_tracker()`.
    - `on_running`: "retry" sends a duplicate again after `retry_after`; "wait" waits for the result
      first; "drop" discards it, but not a redelivery, which may be all that is left of a dead run.
    - `retry_policy`: the RetryPolicy; Celery's tries keep its limits and pauses.
    - `unknown_on`: exceptions after which nobody knows; SoftTimeLimitExceeded always is.
    """

    abstract = True
    # The message outlives the worker; the tracker makes that harmless.
    acks_late = True
    reject_on_worker_lost = True

    tracker: ExecutionTracker | Callable[[], ExecutionTracker] | None = None
    user_id: UUID | str | Callable[..., UUID | str] | None = None
    key: str | Callable[..., str] | None = None
    key_scope: KeyScope = KeyScope.GLOBAL
    workflow_id: str | None = None
    workflow_name: str | None = None
    actor: ExecutionActor | None = None
    parameters: Iterable[str] | Callable[..., dict[str, Any]] | None = None
    on_running: str = "retry"
    retry_policy: RetryPolicy = NO_RETRY_LIMIT
    unknown_on: tuple[type[BaseException], ...] = ()

    # Without a value: the tracker's defaults.
    result_type: Any
    wait_timeout: timedelta
    on_failed: OnFailed
    on_abandoned: OnAbandoned
    verify: Callable[..., Any] | None
    lease: timedelta | None
    save_timeout: timedelta | None

    terms: ClassVar[Terms]

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Put the tracker around `run`, below Celery's own autoretry."""
        super().__init_subclass__(**keywords)
        if isinstance(cls.__dict__.get("retry"), RetryPolicy):
            raise ConfigurationError("Name it retry_policy=: a Celery task's retry is a method.")
        if "run" in cls.__dict__:
            cls.run = _guarded(cls.__dict__["run"], cls)

    @classmethod
    def on_bound(cls, app: Celery) -> None:
        """Check the attributes when Celery registers the task; raises ConfigurationError."""
        super().on_bound(app)
        body = getattr(inspect.getattr_static(cls, "run"), "body", None)
        if body is not None:
            cls.terms = terms_of(cls, body)

    @property
    def execution_context(self) -> ExecutionContext:
        """What the tracker says about the run in progress: its key, to pass on, and its attempt.

        Raises ConfigurationError where nothing runs.
        """
        context = self._context
        if context is None:
            raise ConfigurationError(f"{self.name} is not running, so it has no context.")
        return context

    @property
    def _context(self) -> ExecutionContext | None:
        return getattr(self.request, "exec_tracker_context", None)

    def retry(  # noqa: PLR0917 # Celery's own signature
        self,
        args: Any = None,
        kwargs: Any = None,
        exc: Any = None,
        throw: bool = True,
        eta: Any = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Any:
        """Retry through Celery, not before `retry_policy` allows and not where it would be refused.

        Called by `autoretry_for` as well. Raises `exc` itself where the next delivery could only be
        refused: the policy gives up, nobody knows the outcome, or the tracker has refused already,
        unless `autoretry_for` names that very error.
        """
        reason = exc if exc is not None else sys.exc_info()[1]
        if isinstance(reason, BaseException):
            if self.terms.is_final(reason, self._context) and not self._is_asked(reason):
                raise reason
            self.request.exec_tracker_reason = reason
        if eta is None:
            countdown = self._pause(countdown)
        return super().retry(args, kwargs, exc, throw, eta, countdown, max_retries, **options)

    def _is_asked(self, reason: BaseException) -> bool:
        listed = getattr(self, "autoretry_for", ())
        return isinstance(reason, tuple(one for one in listed if issubclass(one, ExecTrackerError)))

    def _pause(self, countdown: float | None) -> float | None:
        context = self._context
        if context is None:
            return countdown
        least = self.retry_policy.delay_after(context.attempt).total_seconds()
        asked = self.default_retry_delay if countdown is None else countdown
        return max(asked, least)


def idempotent_task(
    app: Celery,
    *,
    user_id: UUID | str | Callable[..., UUID | str],
    key: str | Callable[..., str] | None = None,
    workflow_id: str | None = None,
    tracker: ExecutionTracker | Callable[[], ExecutionTracker] | None = None,
    retry: RetryPolicy | None = None,
    base: type[IdempotentTask] | None = None,
    **options: Any,
) -> Callable[[Callable[..., Any]], IdempotentTask]:
    """Make a function a task of `app` that runs once per key.

    Short for `app.task(base=IdempotentTask, …)`, whose attributes it takes, with all options of
    `app.task`; `retry` is `retry_policy`. Raises ConfigurationError for what cannot work when
    Celery registers the task.
    """
    base = base or IdempotentTask
    if not issubclass(base, IdempotentTask):
        raise ConfigurationError(f"base must be a subclass of IdempotentTask, not {base!r}.")
    named = {"key": key, "workflow_id": workflow_id, "tracker": tracker, "retry_policy": retry}
    given = {name: value for name, value in named.items() if value is not None}
    decorate: Callable[[Callable[..., Any]], IdempotentTask] = app.task(
        base=base, user_id=user_id, **given, **options
    )
    return decorate


def _guarded(body: Any, cls: type) -> Callable[..., Any]:
    """Wrap what Celery made of the function: static without `bind=True`, else a method."""
    bound = body.__get__(object(), cls)

    @wraps(getattr(bound, "__func__", bound))
    def run(self: IdempotentTask, /, *args: Any, **kwargs: Any) -> Any:
        function = body.__get__(self, type(self))
        delivery = Delivery(self, function, args, kwargs)
        return function(*args, **kwargs) if delivery.is_nested else delivery.result()

    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    parameters = inspect.signature(bound).parameters.values()
    guard: Any = run
    # Celery binds the arguments of a retry by it.
    guard.__signature__ = inspect.Signature([itself, *parameters])
    guard.body = body
    return run

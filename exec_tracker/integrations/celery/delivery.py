"""One delivery of a task: run it under its key, or find out what Celery should do with it."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from celery.exceptions import Ignore, Reject, Retry

from exec_tracker.errors import (
    ExecTrackerError,
    ExecutionFailedError,
    ExecutionInProgressError,
    TransientStorageError,
)
from exec_tracker.integrations.celery.trackers import tracker_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.context import ExecutionContext
    from exec_tracker.integrations.celery.task import IdempotentTask

# Long enough not to press a database that is just starting.
_STORAGE_PAUSE = timedelta(seconds=5)
# Celery notes that a task is to be retried after it has sent the message. Sooner than this, that
# note may take the place of what the next delivery came to.
_SOONEST = timedelta(seconds=0.5)
# Marks a message that stands for one that was delivered again, whose run may be dead: not to be
# dropped as a duplicate, since nobody else would find out.
_KEPT = "exec_tracker_kept"

_running: ContextVar[Delivery | None] = ContextVar("exec_tracker_delivery", default=None)


class Delivery:
    """One delivery; callable as an executor, so that the tracker can tell it its context."""

    def __init__(
        self,
        task: IdempotentTask,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        """Take what Celery delivered."""
        self._task = task
        # Named as in functools.partial, where the tracker looks for the result's type.
        self.func = function
        self._args = args
        self._kwargs = kwargs
        self._request = task.request
        self._started = False
        self._asked: Retry | None = None

    @property
    def is_nested(self) -> bool:
        """Whether this is a part of a delivery that runs already: a subclass calls `super().run`.

        A task that calls another, or itself by its name, has a request of its own.
        """
        outer = _running.get()
        return outer is not None and outer._request is self._request  # noqa: SLF001 # its own kind

    def result(self) -> Any:
        """Return the stored result as plain JSON, which every result backend of Celery takes.

        Raises Celery's Retry, Ignore or Reject where the delivery ends otherwise, and else what
        `ExecutionTracker.execute` raises.
        """
        terms = self._task.terms
        # Outside of a worker all calls of `run` share one request.
        self._request.exec_tracker_context = self._request.exec_tracker_reason = None
        options = terms.options(self._task, self.func, self._args, self._kwargs)
        try:
            done = tracker_of(terms.tracker).execute(options, self, **terms.settings)
        except Exception as exc:
            if self._asked is not None and exc is not self._asked:
                raise self._asked from exc
            if not self._started and isinstance(exc, ExecTrackerError):
                self._refused(exc)
            raise
        return done.execution.result

    def __call__(self, context: ExecutionContext) -> Any:
        """Run the function; where it asked Celery for a retry, raise the reason instead.

        The reason is what the retry policy and `unknown_on` are about.
        """
        self._started = True
        self._request.exec_tracker_context = context
        outer = _running.set(self)
        try:
            return self.func(*self._args, **self._kwargs)
        except Retry as asked:
            self._asked = asked
        finally:
            _running.reset(outer)
        # Not while the Retry is handled: it is no cause of its own reason.
        raise self._request.exec_tracker_reason or self._asked

    def _refused(self, error: ExecTrackerError) -> None:
        """Come back later, or drop the delivery, where that is the answer to a refusal."""
        match error:
            case ExecutionInProgressError():
                if self._task.terms.drops_duplicates and not self._is_kept():
                    raise Ignore(str(error)) from error
                self._come_back(error, error.retry_after)
            case ExecutionFailedError():
                self._come_back(error, error.retry_after)
            case TransientStorageError():
                self._come_back(error, _STORAGE_PAUSE)

    def _is_kept(self) -> bool:
        request = self._request
        redelivered = (request.delivery_info or {}).get("redelivered")
        return bool(redelivered or (request.headers or {}).get(_KEPT))

    def _come_back(self, error: ExecTrackerError, after: timedelta | None) -> None:
        """Send the task again as Celery's retry does, but without counting it as one.

        Nothing was run, so it must not use up `max_retries`. Called as a function or eagerly there
        is nobody to come back, and the caller gets the error.
        """
        request = self._request
        if after is None or request.called_directly or request.is_eager:
            return
        seconds = max(after, _SOONEST).total_seconds()
        again = self._task.signature_from_request(
            request,
            countdown=seconds,
            retries=request.retries,
            headers={**(request.headers or {}), _KEPT: True},
        )
        try:
            again.apply_async()
        except Exception as exc:
            # The broker still has the message, and delivers it again.
            raise Reject(exc, requeue=True) from exc
        raise Retry(exc=error, when=seconds, sig=again) from error

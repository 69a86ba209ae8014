"""What a task says about its keys and outcomes, checked when the task is registered."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from celery.exceptions import SoftTimeLimitExceeded

from exec_tracker.decorating import Request
from exec_tracker.errors import (
    ConfigurationError,
    ExecTrackerError,
    ExecutionInProgressError,
    OutcomeUnknownError,
    TransientStorageError,
)
from exec_tracker.executors import is_asynchronous
from exec_tracker.integrations.celery.trackers import check_tracker
from exec_tracker.keywords import CallSettings, check_choice
from exec_tracker.policies import exception_types

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.context import ExecutionContext
    from exec_tracker.keywords import ExecuteSettings
    from exec_tracker.tracker import ExecutionTracker
    from exec_tracker.types import ExecuteOptions

# Handed on to the tracker as they stand, where the task class has them.
_SETTINGS = (
    "result_type",
    "wait_timeout",
    "on_failed",
    "on_abandoned",
    "verify",
    "lease",
    "save_timeout",
)
# What a function may meet in a tracker call of its own, and what passes by itself.
_PASSING = (ExecutionInProgressError, TransientStorageError)
_MISSING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The checked settings of one task class."""

    request: Request
    key_is_task_id: bool
    drops_duplicates: bool
    settings: ExecuteSettings
    call: CallSettings
    tracker: ExecutionTracker | Callable[[], ExecutionTracker] | None

    def options(
        self,
        task: Any,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> ExecuteOptions:
        """Derive the request of one delivery; raises ConfigurationError where it has no key."""
        request = replace(self.request, workflow_id=self.request.workflow_id or task.name)
        if self.key_is_task_id:
            task_id = _task_id(task)
            request = replace(request, key=lambda **_: task_id)
        return request.bind(function)(args, kwargs)

    def is_final(self, error: BaseException, context: ExecutionContext | None) -> bool:
        """Tell whether another try of Celery's would be refused.

        `context` is that of the run that raised; None where nothing was run.
        """
        if isinstance(error, self.call.unknown_on):
            return self.call.on_abandoned == "raise" and self.call.verify is None
        if isinstance(error, ExecTrackerError) and not (context and isinstance(error, _PASSING)):
            return True
        if context is None:
            return False
        retry = self.call.retry
        used_up = retry.max_attempts is not None and context.attempt >= retry.max_attempts
        return used_up or self.call.on_failed == "raise" or not retry.is_retryable(error)


def terms_of(cls: type, body: Any) -> Terms:
    """Read the attributes of a task class; raises ConfigurationError for what cannot work."""
    function = body.__get__(object(), cls)
    if is_asynchronous(function):
        raise ConfigurationError("A Celery task is a plain function, and this one is async.")
    request, key = _request(cls), _attribute(cls, "key")
    request.bind(function)
    on_running, tracker = _attribute(cls, "on_running"), _attribute(cls, "tracker")
    _check_on_running(on_running, key)
    check_tracker(tracker)
    settings = _settings(cls, function)
    return Terms(
        request=request,
        key_is_task_id=key is None,
        drops_duplicates=on_running == "drop",
        settings=settings,
        call=CallSettings(**settings),
        tracker=tracker,
    )


def _request(cls: type) -> Request:
    if _attribute(cls, "user_id") is None:
        raise ConfigurationError(
            "An idempotent task needs a user_id: a UUID, a template over its arguments, or a "
            "function of them."
        )
    return Request(
        key=_attribute(cls, "key") or "",
        workflow_id=_attribute(cls, "workflow_id") or "",
        user_id=_attribute(cls, "user_id"),
        parameters=_attribute(cls, "parameters"),
        workflow_name=_attribute(cls, "workflow_name"),
        actor=_attribute(cls, "actor"),
        key_scope=_attribute(cls, "key_scope"),
    )


def _settings(cls: type, function: Callable[..., Any]) -> ExecuteSettings:
    given = {name: _attribute(cls, name) for name in _SETTINGS}
    settings = {name: value for name, value in given.items() if value is not _MISSING}
    settings["retry"] = _attribute(cls, "retry_policy")
    if _attribute(cls, "on_running") == "wait":
        settings["on_running"] = "wait"
    try:
        unknown_on = exception_types("unknown_on", _attribute(cls, "unknown_on"))
    except ValueError as exc:
        raise ConfigurationError(f"{exc}.") from None
    # A soft time limit strikes anywhere in the function, as an interrupt does.
    settings["unknown_on"] = (*unknown_on, OutcomeUnknownError, SoftTimeLimitExceeded)
    if _is_celerys(function):
        settings.setdefault("result_type", Any)  # it has made JSON of the model already
    return cast("ExecuteSettings", settings)


def _attribute(cls: type, name: str) -> Any:
    """Look an attribute up as it was written: a function in a class is not to become a method."""
    value = inspect.getattr_static(cls, name, _MISSING)
    return value.__func__ if isinstance(value, staticmethod) else value


def _is_celerys(function: Any) -> bool:
    """Tell whether it is the function that Celery wraps around another for `pydantic=True`."""
    plain = getattr(function, "__func__", function)
    return getattr(plain, "__globals__", {}).get("__name__") == "celery.app.base"


def _check_on_running(on_running: str, key: object) -> None:
    check_choice("on_running", on_running, ("retry", "wait", "drop"))
    if on_running == "drop" and key is None:
        raise ConfigurationError(
            'on_running="drop" needs a key= of the arguments. Two deliveries with one task id are '
            "one message, and whoever drops the second may lose it."
        )


def _task_id(task: Any) -> str:
    if task.request.id is None:
        raise ConfigurationError(
            f"{task.name} was called as a function, so it has no task id for its key. Send it with "
            "delay() or apply_async(), give it a key=, or call its __wrapped__ to run it untracked."
        )
    return str(task.request.id)

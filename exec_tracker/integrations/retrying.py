"""Retry a call in this process, with tenacity; needs the extra `exec_tracker[retrying]`.

The tracker decides whether another attempt is allowed; this only makes it come back and ask.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from exec_tracker.errors import (
    ConfigurationError,
    ExecTrackerError,
    ExecutionFailedError,
    ExecutionInProgressError,
    TransientStorageError,
)

try:
    import tenacity
except ImportError as exc:
    raise ConfigurationError(
        "Retrying in this process needs tenacity: pip install 'exec_tracker[retrying]'."
    ) from exc

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState, Retrying

__all__ = ["async_retrying", "is_worth_retrying", "retrying"]


def retrying(attempts: int = 3, *, longest_pause: timedelta = timedelta(seconds=30)) -> Retrying:
    """Return a tenacity retrier for calls of an ExecutionTracker.

    `retrying(3)(tracker.execute_idempotent, options, charge)` calls up to three times. It pauses as
    long as the error's `retry_after` says, else with exponential back-off and jitter, never longer
    than `longest_pause`. Blocks meanwhile. The last error reaches the caller unchanged.
    """
    return tenacity.Retrying(**_settings(attempts, longest_pause))


def async_retrying(
    attempts: int = 3, *, longest_pause: timedelta = timedelta(seconds=30)
) -> AsyncRetrying:
    """Return the same for calls of an AsyncExecutionTracker; await what it returns."""
    return tenacity.AsyncRetrying(**_settings(attempts, longest_pause))


def is_worth_retrying(error: BaseException) -> bool:
    """Tell whether the same call may succeed later.

    The function's own exceptions are: where its stored failure is final, the next call says so with
    ExecutionFailedError, which is not, unless it names a time. Nor are refusals and lost claims.
    """
    if isinstance(error, ExecutionFailedError):
        return error.retry_after is not None
    if isinstance(error, ExecTrackerError):
        return isinstance(error, ExecutionInProgressError | TransientStorageError)
    return isinstance(error, Exception)


def _settings(attempts: int, longest_pause: timedelta) -> dict[str, Any]:
    longest = longest_pause.total_seconds()
    back_off = tenacity.wait_random_exponential(multiplier=0.1, max=longest)

    def pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        after = getattr(error, "retry_after", None)
        return min(after.total_seconds(), longest) if after is not None else back_off(state)

    return {
        "stop": tenacity.stop_after_attempt(attempts),
        "wait": pause,
        "retry": tenacity.retry_if_exception(is_worth_retrying),
        "reraise": True,
    }

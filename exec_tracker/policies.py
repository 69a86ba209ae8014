"""What a caller wants done when work fails, is abandoned, or is worth knowing about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any


class EventName(StrEnum):
    """What the tracker decided or did."""

    CREATED = "created"
    CLAIMED = "claimed"
    TAKEN_OVER = "taken_over"
    REPLAYED = "replayed"
    REFUSED = "refused"
    WAITED = "waited"
    VERIFIED = "verified"
    COMPLETED = "completed"
    FAILED = "failed"
    ABANDONED = "abandoned"
    LOST = "lost"
    DETACHED = "detached"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class ExecutionEvent:
    """One decision about one execution, as `on_event` receives it.

    `duration` is how long the function ran, or a caller waited for another's run, where that has
    just ended. `trace_context` is what was stored with the row that was found: by whoever ran it,
    or began to. It is left out where the row is another user's.
    """

    name: EventName
    execution_id: str
    workflow_id: str
    attempt: int
    detail: str | None = None
    duration: timedelta | None = None
    trace_context: str | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """A verifier's answer: the effect happened, with this result."""

    result: Any = None


@dataclass(frozen=True, slots=True)
class DidNotHappen:
    """A verifier's answer: the effect did not happen; the function may run."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A verifier's answer: it cannot tell; the execution stays abandoned."""


Verification = Happened | DidNotHappen | Unknown


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Whether and when a failed execution may be run again by a later call.

    The default has no limit and no back-off. `max_attempts` counts over all calls, since attempts
    are never reset. `backoff` doubles with each attempt up to `max_backoff`; before it has passed,
    callers get ExecutionFailedError with `retry_after`. A failure is retryable unless its exception
    is one of `give_up_on`, or `retry_on` is given and it is none of those.
    """

    max_attempts: int | None = None
    backoff: timedelta = timedelta(0)
    max_backoff: timedelta = timedelta(hours=1)
    retry_on: tuple[type[BaseException], ...] | None = None
    give_up_on: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        """Refuse limits that could never be met."""
        if self.max_attempts is not None and self.max_attempts < 1:
            raise ValueError("max_attempts must be at least 1, or None for no limit")
        for name in ("backoff", "max_backoff"):
            pause = getattr(self, name)
            if not isinstance(pause, timedelta) or pause < timedelta(0):
                raise ValueError(f"{name} must be a timedelta of zero or more, not {pause!r}")
        if self.retry_on is not None:
            object.__setattr__(self, "retry_on", exception_types("retry_on", self.retry_on))
        object.__setattr__(self, "give_up_on", exception_types("give_up_on", self.give_up_on))

    def is_retryable(self, error: BaseException) -> bool:
        """Tell whether a failure with this exception may be run again."""
        if isinstance(error, self.give_up_on):
            return False
        return self.retry_on is None or isinstance(error, self.retry_on)

    def delay_after(self, attempt: int) -> timedelta:
        """How long after the failure of this attempt the next one may start."""
        factor = int(2 ** min(max(attempt - 1, 0), 62))
        if self.backoff > self.max_backoff / factor:
            return self.max_backoff
        return self.backoff * factor


def exception_types(name: str, given: Any) -> tuple[type[BaseException], ...]:
    """Return one or several exception classes as a tuple, or raise ValueError naming the option.

    Checked before anything runs: a list of them would fail only when an exception is compared.
    """
    kinds = (given,) if isinstance(given, type) else given
    try:
        kinds = tuple(kinds)
    except TypeError:
        kinds = (given,)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        raise ValueError(
            f"{name} must be exception classes, such as (TimeoutError,), not {given!r}"
        )
    return kinds

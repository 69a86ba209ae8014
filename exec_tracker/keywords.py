"""The keywords of the calls that run work, with their defaults and their checks."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from exec_tracker.errors import ConfigurationError
from exec_tracker.policies import RetryPolicy, exception_types
from exec_tracker.transitions import Policy
from exec_tracker.types import ExecuteOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exec_tracker.types import OnAbandoned, OnFailed, OnRunning

DEFAULT_LEASE = timedelta(seconds=60)
DEFAULT_WAIT = timedelta(seconds=30)
# Longer than the default lease: the token still fences a late write, so there is no reason to give
# a result up before the database has had time for a restart or a failover.
DEFAULT_SAVE_TIMEOUT = timedelta(minutes=2)


# How long a duplicate waits for the transaction that holds its key.
DEFAULT_LOCK_WAIT = timedelta(seconds=5)


NO_RETRY_LIMIT = RetryPolicy()


class _Default:
    """Marks an option that was left to the tracker, where None has a meaning of its own."""

    def __repr__(self) -> str:
        return "<the tracker's default>"


DEFAULT: Any = _Default()
# A transaction holds its claim by being open; there is nothing to keep alive.
NO_LEASES: Any = None
# A block does the work of a function.
NO_FUNCTION: Any = None


class TransactionSettings(TypedDict, total=False):
    """The keywords of execute_in_transaction.

    `wait_timeout` bounds the wait for another transaction on the same key; the others are as in
    ExecuteSettings.
    """

    result_type: Any
    wait_timeout: timedelta
    on_failed: OnFailed
    retry: RetryPolicy
    on_abandoned: OnAbandoned


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionCall:
    """The same with their defaults."""

    result_type: Any = None
    wait_timeout: timedelta = DEFAULT_LOCK_WAIT
    on_failed: OnFailed = "retry"
    retry: RetryPolicy = NO_RETRY_LIMIT
    on_abandoned: OnAbandoned = "raise"


class ExecuteSettings(TypedDict, total=False):
    """The keywords of execute, execute_idempotent, idempotent and claim.

    `result_type` types the result; the executor's return annotation does where it is not given.
    `on_running="wait"` waits up to `wait_timeout` for another's run. `on_failed="raise"` replays a
    stored failure; else `retry` says when it is run again. `on_abandoned="retry"` runs an execution
    again whose outcome is unknown: the function must tolerate it. `verify` finds out instead.
    `unknown_on` lists exceptions after which nobody knows, such as TimeoutError. `lease` is how
    long the claim is believed without a heartbeat, None for ever. `save_timeout` bounds how long
    storing the outcome is tried while the database is away.
    """

    result_type: Any
    on_running: OnRunning
    wait_timeout: timedelta
    on_failed: OnFailed
    retry: RetryPolicy
    on_abandoned: OnAbandoned
    verify: Callable[..., Any] | None
    unknown_on: tuple[type[BaseException], ...]
    lease: timedelta | None
    save_timeout: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """The same with their defaults, checked."""

    result_type: Any = None
    on_running: OnRunning = "raise"
    wait_timeout: timedelta = DEFAULT_WAIT
    on_failed: OnFailed = "retry"
    retry: RetryPolicy = NO_RETRY_LIMIT
    on_abandoned: OnAbandoned = "raise"
    verify: Callable[..., Any] | None = None
    unknown_on: tuple[type[BaseException], ...] = ()
    lease: timedelta | None = DEFAULT
    save_timeout: timedelta | None = None
    policy: Policy = field(init=False)
    """What the pure rules need of it."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, before anything is claimed."""
        check_choice("on_running", self.on_running, ("raise", "wait"))
        check_choice("on_failed", self.on_failed, ("retry", "raise"))
        check_choice("on_abandoned", self.on_abandoned, ("raise", "retry"))
        check_duration("wait_timeout", self.wait_timeout)
        if self.lease is not DEFAULT:
            check_lease(self.lease)
        if self.save_timeout is not None:
            check_duration("save_timeout", self.save_timeout)
        if not isinstance(self.retry, RetryPolicy):
            raise ConfigurationError(f"retry must be a RetryPolicy, not {self.retry!r}.")
        try:
            kinds = exception_types("unknown_on", self.unknown_on)
        except ValueError as exc:
            raise ConfigurationError(f"{exc}.") from None
        policy = Policy(
            self.on_failed, self.on_abandoned, self.retry.max_attempts, self.verify is not None
        )
        object.__setattr__(self, "unknown_on", kinds)
        object.__setattr__(self, "policy", policy)


def check_keywords(settings: Mapping[str, Any], known: type) -> None:
    """Raise TypeError for a keyword that no call takes, naming those that it takes."""
    names = [one.name for one in fields(known) if one.init]
    for name in settings:
        if name not in names:
            raise TypeError(f"unknown keyword {name!r}; this call takes {', '.join(names)}")


def check_options(options: object) -> None:
    """Raise ConfigurationError for options that are none."""
    if not isinstance(options, ExecuteOptions):
        raise ConfigurationError(
            f"options must be ExecuteOptions, not {type(options).__name__}: "
            "ExecuteOptions(idempotency_key=…, workflow_id=…, user_id=…)."
        )


def check_lease(lease: timedelta | None) -> timedelta | None:
    """Return a usable lease: positive, or None for a claim that is never taken over."""
    if lease is not None and (not isinstance(lease, timedelta) or lease <= timedelta(0)):
        raise ConfigurationError(f"lease must be a positive timedelta or None, not {lease!r}.")
    return lease


def check_duration(name: str, duration: timedelta) -> timedelta:
    """Return a usable duration, or raise ConfigurationError naming it."""
    if not isinstance(duration, timedelta) or duration < timedelta(0):
        raise ConfigurationError(f"{name} must be a timedelta of zero or more, not {duration!r}.")
    return duration


_MOST_BYTES = 4  # of a character in UTF-8


def check_size(name: str, text: str | None, limit: int) -> None:
    """Raise ConfigurationError where text to be stored is larger than the tracker allows."""
    if text is None or len(text) * _MOST_BYTES <= limit:
        return
    size = len(text.encode())
    if size > limit:
        raise ConfigurationError(
            f"The {name} take {size:,} bytes as JSON, more than max_{name}_bytes={limit:,}. Pass a "
            "reference instead of the content, or make the tracker with a higher limit."
        )


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise ConfigurationError where `value` is none of the choices."""
    if value not in choices:
        listed = " or ".join(repr(choice) for choice in choices)
        raise ConfigurationError(f"{name} must be {listed}, not {value!r}.")

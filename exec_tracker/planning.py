"""Check what a call was asked to do and turn it into a plan, before anything is sent."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import uuid4

from exec_tracker.codec import DEFAULT_MAX_BYTES, codec_for
from exec_tracker.errors import ConfigurationError
from exec_tracker.executors import bind_executor, check_session_executor
from exec_tracker.fingerprint import fingerprint
from exec_tracker.flow import Plan
from exec_tracker.policies import RetryPolicy
from exec_tracker.repository import NewExecution
from exec_tracker.transitions import Policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.flow import LeaseKeeper
    from exec_tracker.policies import ExecutionEvent
    from exec_tracker.types import ExecuteOptions, OnAbandoned, OnFailed, OnRunning

_log = logging.getLogger("exec_tracker")

DEFAULT_LEASE = timedelta(seconds=60)
DEFAULT_WAIT = timedelta(seconds=30)
# Longer than the default lease: the token still fences a late write, so there is no reason to give
# a result up before the database has had time for a restart or a failover.
DEFAULT_SAVE_TIMEOUT = timedelta(minutes=2)


# How long a duplicate waits for the transaction that holds its key.
DEFAULT_LOCK_WAIT = timedelta(seconds=5)


class _Default:
    """Marks an option that was left to the tracker, where None has a meaning of its own."""

    def __repr__(self) -> str:
        return "<the tracker's default>"


DEFAULT: Any = _Default()
# A transaction holds its claim by being open; there is nothing to keep alive.
NO_LEASES: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """What a tracker does unless a call says otherwise."""

    lease: timedelta | None = DEFAULT_LEASE
    save_timeout: timedelta = DEFAULT_SAVE_TIMEOUT
    fingerprint_key: bytes | None = field(default=None, repr=False)
    # Opaque by default: users can read their rows, and need not learn host names.
    claimed_by: str = field(default_factory=lambda: uuid4().hex[:12])
    max_result_bytes: int = DEFAULT_MAX_BYTES
    on_event: Callable[[ExecutionEvent], None] | None = None

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        check_lease(self.lease)
        check_duration("save_timeout", self.save_timeout)

    def new_execution(self, options: ExecuteOptions) -> NewExecution:
        """Say what the row of a request is made of."""
        return NewExecution(
            id=options.execution_id,
            workflow_id=options.workflow_id,
            workflow_name=options.workflow_name,
            user_id=options.user_id,
            actor=options.actor,
            parameters_json=options.parameters_json,
            fingerprint=fingerprint(options.canonical, self.fingerprint_key),
        )

    def plan(
        self,
        options: ExecuteOptions,
        executor: Callable[..., Any],
        leases: LeaseKeeper,
        settings: ExecuteSettings,
    ) -> Plan:
        """Check every argument and gather them; raises ConfigurationError."""
        call = CallSettings(**settings)
        return Plan(
            new=self.new_execution(options),
            idempotency_key=options.idempotency_key,
            executor=bind_executor(executor),
            codec=codec_for(executor, call.result_type, max_bytes=self.max_result_bytes),
            policy=call.policy,
            retry=call.retry,
            on_running=call.on_running,
            wait_timeout=call.wait_timeout,
            verify=None if call.verify is None else bind_executor(call.verify),
            unknown_on=call.unknown_on,
            lease=self.lease if call.lease is DEFAULT else call.lease,
            save_timeout=self.save_timeout if call.save_timeout is None else call.save_timeout,
            claimed_by=self.claimed_by,
            leases=leases,
            observe=safe_observer(self.on_event),
        )

    def plan_transaction(
        self, options: ExecuteOptions, executor: Callable[..., Any], settings: TransactionSettings
    ) -> Plan:
        """The same for the transactional mode, in which the transaction takes the lease's place."""
        check_session_executor(executor)
        call = TransactionCall(**settings)
        plan = self.plan(
            options,
            _unused,
            NO_LEASES,
            {
                "wait_timeout": call.wait_timeout,
                "on_failed": call.on_failed,
                "retry": call.retry,
                "on_abandoned": call.on_abandoned,
                "lease": None,
            },
        )
        codec = codec_for(executor, call.result_type, max_bytes=self.max_result_bytes)
        return replace(plan, executor=executor, codec=codec)


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
    retry: RetryPolicy = RetryPolicy()
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
    retry: RetryPolicy = RetryPolicy()
    on_abandoned: OnAbandoned = "raise"
    verify: Callable[..., Any] | None = None
    unknown_on: tuple[type[BaseException], ...] = ()
    lease: timedelta | None = DEFAULT
    save_timeout: timedelta | None = None

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

    @property
    def policy(self) -> Policy:
        """What the pure rules need of it."""
        return Policy(
            self.on_failed, self.on_abandoned, self.retry.max_attempts, self.verify is not None
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


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise ConfigurationError where `value` is none of the choices."""
    if value not in choices:
        listed = " or ".join(repr(choice) for choice in choices)
        raise ConfigurationError(f"{name} must be {listed}, not {value!r}.")


def safe_observer(
    observe: Callable[[ExecutionEvent], None] | None,
) -> Callable[[ExecutionEvent], None]:
    """Keep a host's observer from disturbing what it observes."""
    if observe is None:
        return _ignore

    def safely(event: ExecutionEvent) -> None:
        try:
            observe(event)
        except Exception:
            _log.exception("on_event raised for %s", event)

    return safely


def _ignore(_event: ExecutionEvent) -> None:
    """Do nothing with an event."""


def _unused() -> None:
    """Stand in for an executor that is given a session and no context."""

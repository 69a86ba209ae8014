"""Check what a call was asked to do and turn it into a plan, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from exec_tracker.codec import DEFAULT_MAX_BYTES, codec_for
from exec_tracker.errors import ConfigurationError
from exec_tracker.executors import bind_executor
from exec_tracker.fingerprint import fingerprint
from exec_tracker.flow import Plan
from exec_tracker.policies import RetryPolicy
from exec_tracker.repository import NewExecution
from exec_tracker.transitions import Policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.flow import LeaseKeeper
    from exec_tracker.policies import ExecutionEvent
    from exec_tracker.types import ExecuteOptions

DEFAULT_LEASE = timedelta(seconds=60)
DEFAULT_WAIT = timedelta(seconds=30)
# Longer than the default lease: the token still fences a late write, so there is no reason to give
# a result up before the database has had time for a restart or a failover.
DEFAULT_SAVE_TIMEOUT = timedelta(minutes=2)

NO_RETRY_LIMIT = RetryPolicy()


class _Default:
    """Marks an option that was left to the tracker, where None has a meaning of its own."""

    def __repr__(self) -> str:
        return "<the tracker's default>"


DEFAULT: Any = _Default()


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
        *,
        result_type: Any,
        on_running: Literal["raise", "wait"],
        wait_timeout: timedelta,
        on_failed: Literal["retry", "raise"],
        retry: RetryPolicy,
        on_abandoned: Literal["raise", "retry"],
        verify: Callable[..., Any] | None,
        unknown_on: tuple[type[BaseException], ...],
        lease: timedelta | None,
        save_timeout: timedelta | None,
    ) -> Plan:
        """Check every argument and gather them; raises ConfigurationError."""
        check_choice("on_running", on_running, ("raise", "wait"))
        check_choice("on_failed", on_failed, ("retry", "raise"))
        check_choice("on_abandoned", on_abandoned, ("raise", "retry"))
        check_duration("wait_timeout", wait_timeout)
        return Plan(
            new=self.new_execution(options),
            idempotency_key=options.idempotency_key,
            executor=bind_executor(executor),
            codec=codec_for(executor, result_type, max_bytes=self.max_result_bytes),
            policy=Policy(on_failed, on_abandoned, retry.max_attempts, verify is not None),
            retry=retry,
            on_running=on_running,
            wait_timeout=wait_timeout,
            verify=None if verify is None else bind_executor(verify),
            unknown_on=unknown_on,
            lease=self.lease if lease is DEFAULT else check_lease(lease),
            save_timeout=check_duration("save_timeout", save_timeout or self.save_timeout),
            claimed_by=self.claimed_by,
            leases=leases,
            observe=self.on_event or _ignore,
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


def _ignore(_event: ExecutionEvent) -> None:
    """Do nothing with an event."""

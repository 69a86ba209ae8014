"""Check what a call was asked to do and turn it into a plan, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from exec_tracker.codec import DEFAULT_MAX_BYTES, codec_for
from exec_tracker.errors import ConfigurationError
from exec_tracker.executors import bind_executor, check_session_executor
from exec_tracker.failures import MAX_TEXT
from exec_tracker.fingerprint import fingerprint
from exec_tracker.flow import Plan
from exec_tracker.keywords import (
    DEFAULT,
    DEFAULT_LEASE,
    DEFAULT_SAVE_TIMEOUT,
    NO_FUNCTION,
    NO_LEASES,
    CallSettings,
    TransactionCall,
    check_duration,
    check_keywords,
    check_lease,
    check_options,
    check_size,
)
from exec_tracker.observing import CallWatch, ObservedCall, Watch, known_trace
from exec_tracker.repository import NewExecution

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from exec_tracker.flow import LeaseKeeper
    from exec_tracker.keywords import ExecuteSettings, TransactionSettings
    from exec_tracker.observing import Instrumentation
    from exec_tracker.policies import ExecutionEvent
    from exec_tracker.types import ExecuteOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """What a tracker does unless a call says otherwise."""

    lease: timedelta | None = DEFAULT_LEASE
    save_timeout: timedelta = DEFAULT_SAVE_TIMEOUT
    fingerprint_key: bytes | None = field(default=None, repr=False)
    # Opaque by default: users can read their rows, and need not learn host names.
    claimed_by: str = field(default_factory=lambda: uuid4().hex[:12])
    max_result_bytes: int = DEFAULT_MAX_BYTES
    max_parameters_bytes: int = DEFAULT_MAX_BYTES
    max_error_chars: int = MAX_TEXT
    on_event: Callable[[ExecutionEvent], None] | None = None
    trace_context: Callable[[], str | None] | None = None

    instrumentations: tuple[Instrumentation, ...] = ()
    _unwatched: Watch = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        check_lease(self.lease)
        check_duration("save_timeout", self.save_timeout)
        object.__setattr__(self, "_unwatched", Watch(self.on_event))

    def watch(self, method: str, options: ExecuteOptions) -> Watch:
        """Let everybody who watches see a call; the one that nobody sees is shared."""
        if not self.instrumentations:
            return self._unwatched
        check_options(options)
        return CallWatch(self.on_event, self.instrumentations, ObservedCall.of(method, options))

    def watch_decision(self, method: str, execution_id: str) -> Watch:
        """Do the same for a call that decides about one execution by its id."""
        if not self.instrumentations:
            return self._unwatched
        return CallWatch(self.on_event, self.instrumentations, ObservedCall(method, execution_id))

    def new_execution(self, options: ExecuteOptions) -> NewExecution:
        """Say what the row of a request is made of.

        Raises ConfigurationError where its parameters are larger than this tracker stores.
        """
        check_options(options)
        check_size("parameters", options.parameters_json, self.max_parameters_bytes)
        return NewExecution(
            id=options.execution_id,
            workflow_id=options.workflow_id,
            workflow_name=options.workflow_name,
            user_id=options.user_id,
            actor=options.actor,
            parameters_json=options.parameters_json,
            fingerprint=fingerprint(options.canonical, self.fingerprint_key),
            trace_context=self._trace_context(),
        )

    def _trace_context(self) -> str | None:
        if self.trace_context is not None:
            return self.trace_context()
        return known_trace(self.instrumentations) if self.instrumentations else None

    def plan(
        self,
        options: ExecuteOptions,
        executor: Callable[..., Any],
        leases: LeaseKeeper,
        settings: ExecuteSettings,
        watch: Watch,
    ) -> Plan:
        """Check every argument and gather them; raises ConfigurationError."""
        call = _call_settings(settings)
        return Plan(
            new=self.new_execution(options),
            idempotency_key=options.idempotency_key,
            parameters=options.parameters,
            executor=bind_executor(executor),
            codec=codec_for(executor, call.result_type, max_bytes=self.max_result_bytes),
            policy=call.policy,
            retry=call.retry,
            on_running=call.on_running,
            wait_timeout=call.wait_timeout,
            verify=None if call.verify is None else bind_executor(call.verify, "verify="),
            unknown_on=call.unknown_on,
            lease=self.lease if call.lease is DEFAULT else call.lease,
            save_timeout=self.save_timeout if call.save_timeout is None else call.save_timeout,
            max_error_chars=self.max_error_chars,
            claimed_by=self.claimed_by,
            leases=leases,
            watch=watch,
        )

    def plan_claim(
        self,
        options: ExecuteOptions,
        leases: LeaseKeeper,
        settings: ExecuteSettings,
        watch: Watch,
    ) -> Plan:
        """Check the arguments of a claim that a handle holds; raises ConfigurationError."""
        if settings.get("verify") is not None:
            raise ConfigurationError("verify= needs a function to run after it; use execute().")
        return self.plan(options, _unused, leases, {"result_type": Any, **settings}, watch)

    def plan_transaction(
        self,
        options: ExecuteOptions,
        executor: Callable[..., Any] | None,
        settings: TransactionSettings,
        watch: Watch,
    ) -> Plan:
        """Plan for the transactional mode, in which the transaction takes the lease's place.

        Without an executor the work is done in a block.
        """
        if executor is not None:
            check_session_executor(executor)
        check_keywords(settings, TransactionCall)
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
                # Where the function commits behind our back, the claim is then found abandoned.
                "lease": DEFAULT_LEASE,
            },
            watch,
        )
        kind = Any if executor is None and call.result_type is None else call.result_type
        codec = codec_for(executor or _unused, kind, max_bytes=self.max_result_bytes)
        return replace(plan, executor=executor or NO_FUNCTION, codec=codec)


_DEFAULT_CALL = CallSettings()


def _call_settings(settings: ExecuteSettings) -> CallSettings:
    if not settings:
        return _DEFAULT_CALL
    check_keywords(settings, CallSettings)
    return CallSettings(**settings)


def _unused() -> None:
    """Stand in for an executor that is given a session and no context."""

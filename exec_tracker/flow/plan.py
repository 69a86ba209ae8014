"""One call to execute, with everything it needs decided before the claim."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from exec_tracker.context import ExecutionContext
from exec_tracker.policies import EventName, ExecutionEvent
from exec_tracker.repository import Claim
from exec_tracker.snapshots import execution_of
from exec_tracker.tokens import new_token
from exec_tracker.transitions import Claimant, Conflict

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from exec_tracker.codec import ResultCodec
    from exec_tracker.leases import HeldLease
    from exec_tracker.observing import Watch
    from exec_tracker.policies import RetryPolicy
    from exec_tracker.repository import NewExecution
    from exec_tracker.snapshots import Seen
    from exec_tracker.transitions import Decision, Policy
    from exec_tracker.types import Execution, OnRunning


class LeaseKeeper(Protocol):
    """Keeps leases alive: a thread, a task, or a test's hand."""

    def hold(self, execution_id: str, token: UUID, lease: timedelta, since: float) -> HeldLease:
        """Keep a lease alive until it is released."""

    def release(self, entry: HeldLease) -> None:
        """Stop keeping a lease."""

    def beat_now(self, entry: HeldLease) -> None:
        """Renew one lease now."""


# What every call makes is not frozen, though nothing changes it: the fields of a frozen one are set
# through object.__setattr__, one by one, at five times the cost.
@dataclass(slots=True, kw_only=True)
class Plan:
    """What one call was asked to do; never changed."""

    new: NewExecution
    idempotency_key: str
    parameters: dict[str, Any] | None
    executor: Callable[..., Any]
    codec: ResultCodec[Any]
    policy: Policy
    retry: RetryPolicy
    on_running: OnRunning
    wait_timeout: timedelta
    verify: Callable[[ExecutionContext], Any] | None
    unknown_on: tuple[type[BaseException], ...]
    lease: timedelta | None
    save_timeout: timedelta
    max_error_chars: int
    claimed_by: str
    leases: LeaseKeeper
    watch: Watch

    def new_claim(self) -> Claim:
        """Make a claim with a fresh token."""
        return Claim(new_token(), self.claimed_by, self.lease)

    def claimant(self, claim: Claim) -> Claimant:
        """Say who asks, for the pure rules."""
        return Claimant(
            self.new.id, self.new.workflow_id, self.new.user_id, self.new.fingerprint, claim.token
        )

    def context(self, held: Held, lease: HeldLease | None) -> ExecutionContext:
        """Tell the executor about its run."""
        return ExecutionContext(
            idempotency_key=self.idempotency_key,
            execution_id=self.new.id,
            attempt=held.found.attempt,
            claim_token=held.claim.token,
            parameters=self.parameters,
            _lease=lease,
            _beat=self.leases.beat_now,
        )

    def tell(
        self,
        name: EventName,
        attempt: int,
        detail: str | None = None,
        *,
        seconds: float | None = None,
        found: Seen | None = None,
    ) -> None:
        """Report one decision to whoever watches: how long it took, and the row it is about."""
        if self.watch.listens:
            duration = None if seconds is None else timedelta(seconds=seconds)
            trace = None if found is None else found.trace_context
            new = self.new
            self.watch.observe(
                ExecutionEvent(name, new.id, new.workflow_id, attempt, detail, duration, trace)
            )

    def tell_refusal(self, decision: Decision, seen: Seen) -> None:
        """Report that nothing is run because of what was seen; a stranger's trace is not told."""
        foreign = isinstance(decision, Conflict) and decision.differs is None
        reason = type(decision).__name__
        self.tell(EventName.REFUSED, seen.attempt, reason, found=None if foreign else seen)


@dataclass(slots=True)
class Held:
    """A claim that is ours, and when it was sent: the lease cannot have begun before."""

    found: Seen
    claim: Claim
    sent_at: float
    must_verify: bool = False
    # It displaced a claim whose outcome is unknown: until the function begins, it still is.
    over_unknown: bool = False
    # When it became ours: the function begins then.
    began_at: float = field(default_factory=monotonic)

    @property
    def execution(self) -> Execution:
        """The row as the claim left it."""
        return execution_of(self.found)


@dataclass(slots=True)
class Pursuit:
    """A claim on its way, and what it may have displaced by the time something interrupts it."""

    claim: Claim
    over_unknown: bool = False

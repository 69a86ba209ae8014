"""The pure rules: what a caller may do about the execution that stands under its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from exec_tracker.errors import IllegalTransitionError
from exec_tracker.fingerprint import same_request
from exec_tracker.types import ExecutionStatus

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    from exec_tracker.types import Execution, OnAbandoned, OnFailed


class Standing(Protocol):
    """What the rules look at of the row that stands under a key: an Execution has it all."""

    @property
    def user_id(self) -> UUID:
        """Whose it is."""

    @property
    def workflow_id(self) -> str:
        """What it is an execution of."""

    @property
    def fingerprint(self) -> str | None:
        """The digest of its parameters."""

    @property
    def status(self) -> ExecutionStatus:
        """Where it stands."""

    @property
    def attempt(self) -> int:
        """How often it was begun."""

    @property
    def claim_token(self) -> UUID | None:
        """The fence of its claim."""

    @property
    def is_abandoned(self) -> bool:
        """Whether its outcome is unknown."""

    @property
    def error(self) -> dict[str, Any] | None:
        """What is stored of its failure."""

    @property
    def retry_at(self) -> datetime | None:
        """When it may be run again."""

    @property
    def observed_at(self) -> datetime:
        """When all of this was so."""


@dataclass(slots=True)  # not frozen, as flow.plan.Plan
class Claimant:
    """Who asks: what identifies the request, and the token of the claim it tries to make."""

    execution_id: str
    workflow_id: str
    user_id: UUID
    fingerprint: str
    token: UUID


@dataclass(frozen=True, slots=True)
class Policy:
    """What the caller wants done about an execution that failed or was abandoned."""

    on_failed: OnFailed = "retry"
    on_abandoned: OnAbandoned = "raise"
    max_attempts: int | None = None
    verifies: bool = False


@dataclass(frozen=True, slots=True)
class Mine:
    """The standing claim carries my token: an earlier try of mine got through."""


@dataclass(frozen=True, slots=True)
class Replay:
    """It completed: give the stored result."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The key belongs to another request; `differs` is None where the asker may not know how."""

    differs: str | None


@dataclass(frozen=True, slots=True)
class InProgress:
    """Someone holds a claim that is still believed."""


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The outcome is unknown, and the caller has not said what to do about it."""


@dataclass(frozen=True, slots=True)
class Verify:
    """The outcome is unknown, and the caller brought a way to find out."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """It failed and may not be run again, or not yet."""

    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class TakeOver:
    """The standing row may be claimed for the next attempt."""


Decision = Mine | Replay | Conflict | InProgress | Abandoned | Verify | Refuse | TakeOver


def decide(  # noqa: PLR0911 # one return per decision is what makes it a table
    claimant: Claimant, policy: Policy, seen: Standing
) -> Decision:
    """Decide what a caller does about the row that stands under its key."""
    conflict = _conflict(claimant, seen)
    if conflict is not None:
        return conflict
    match seen.status:
        case ExecutionStatus.COMPLETED:
            return Replay()
        case ExecutionStatus.RUNNING if seen.claim_token == claimant.token:
            return Mine()
        case ExecutionStatus.RUNNING if not seen.is_abandoned:
            return InProgress()
        case ExecutionStatus.PENDING:
            return TakeOver()
    if seen.is_abandoned:
        return _decide_abandoned(policy, seen)
    return _decide_failed(policy, seen)


def _conflict(claimant: Claimant, seen: Standing) -> Conflict | None:
    if seen.user_id != claimant.user_id:
        return Conflict(differs=None)
    if seen.workflow_id != claimant.workflow_id:
        return Conflict(differs="workflow_id")
    if not same_request(seen.fingerprint, claimant.fingerprint):
        return Conflict(differs="parameters")
    return None


def _decide_abandoned(policy: Policy, seen: Standing) -> Decision:
    if policy.verifies:
        return Verify()
    exhausted = policy.max_attempts is not None and seen.attempt >= policy.max_attempts
    return TakeOver() if policy.on_abandoned == "retry" and not exhausted else Abandoned()


def _decide_failed(policy: Policy, seen: Standing) -> Decision:
    if policy.on_failed == "raise" or not (seen.error or {}).get("retryable", True):
        return Refuse()
    if policy.max_attempts is not None and seen.attempt >= policy.max_attempts:
        return Refuse()
    if seen.retry_at is not None and seen.retry_at > seen.observed_at:
        return Refuse(retry_after=seen.retry_at - seen.observed_at)
    return TakeOver()


# What the verbs that finish, resolve or reset an execution may start from. Running counts only
# where no lease is live; with a claim's own token it always counts.
_LEGAL: dict[str, frozenset[ExecutionStatus]] = {
    "mark_running": frozenset({ExecutionStatus.PENDING, ExecutionStatus.FAILED}),
    "mark_completed": frozenset({ExecutionStatus.PENDING, ExecutionStatus.RUNNING}),
    "mark_failed": frozenset({ExecutionStatus.PENDING, ExecutionStatus.RUNNING}),
    "resolve": frozenset({ExecutionStatus.RUNNING}),
    "reset": frozenset({ExecutionStatus.RUNNING, ExecutionStatus.FAILED}),
}


def check_verb(verb: str, seen: Execution, token: UUID | None = None) -> None:
    """Raise IllegalTransitionError where `verb` may not be applied to what was seen."""
    if token is not None:
        # Also after its owner has said that nobody knows: the token's holder may know by now.
        standing = seen.status is ExecutionStatus.RUNNING or seen.is_abandoned
        legal = standing and seen.claim_token == token
    elif verb == "mark_running":
        legal = seen.status in _LEGAL[verb] and not seen.is_abandoned
    elif seen.status is ExecutionStatus.RUNNING:
        legal = seen.status in _LEGAL[verb] and _no_live_lease(seen)
    else:
        legal = seen.status in _LEGAL[verb] or (verb == "resolve" and seen.is_abandoned)
    if not legal:
        raise IllegalTransitionError(_illegal(verb, seen, token), execution=seen)


def _no_live_lease(seen: Execution) -> bool:
    return seen.lease_expires_at is None or seen.is_abandoned


def _illegal(verb: str, seen: Execution, token: UUID | None) -> str:
    state = f"{seen.status}"
    if seen.status is ExecutionStatus.RUNNING and not _no_live_lease(seen):
        state = "running under a live lease"
    if seen.status is ExecutionStatus.FAILED and seen.is_abandoned:
        state = "failed with its outcome unknown"
    hint = "; decide it with resolve or reset first" if seen.is_abandoned else ""
    if token is not None and seen.claim_token != token:
        hint = " under another claim token"
    elif state == "running under a live lease":
        hint = "; pass the claim_token of its owner, or wait until the lease has expired"
    return f"{verb} is not possible for execution {seen.id!r}: it is {state}{hint}."

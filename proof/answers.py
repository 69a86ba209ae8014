"""What the callers are told, held against what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exec_tracker.errors import (
    ExecutionAbandonedError,
    ExecutionExistsError,
    ExecutionFailedError,
    ExecutionInProgressError,
    ExecutionNotFoundError,
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    LeaseLostError,
    OutcomeUnknownError,
    ResultErasedError,
    StorageError,
)
from exec_tracker.types import ExecutionResult
from proof.cooperation import VanishedError
from proof.roles import DeclinedError

if TYPE_CHECKING:
    from proof.judge import Judge
    from proof.stage import Observation
    from proof.world import Actor

_VERB_ERRORS = (IllegalTransitionError, ExecutionNotFoundError, ExecutionExistsError)
# What a caller may hear besides a result; each is checked against what is stored below.
_HONEST = (
    ExecutionAbandonedError,
    ExecutionFailedError,
    ExecutionInProgressError,
    ExecutionNotFoundError,
    LeaseLostError,
    ResultErasedError,
    DeclinedError,
    IdempotencyKeyReusedError,
    OutcomeUnknownError,
)


class BrokenInvariantError(AssertionError):
    """A schedule that breaks a promise; its message tells which and how."""


def demand(holds: bool, otherwise: str) -> None:  # a condition is what it takes
    """Raise BrokenInvariantError unless the condition holds."""
    if not holds:
        raise BrokenInvariantError(otherwise)


def check_answer(judge: Judge, one: Actor, before: Observation, now: Observation) -> None:
    """Check what an actor ended with."""
    outcome, kind = one.turns.outcome, one.role.kind
    if isinstance(outcome, VanishedError) or not isinstance(outcome, Exception):
        if isinstance(outcome, ExecutionResult):
            _check_result(judge, outcome, before, now)
        return
    if isinstance(outcome, StorageError):
        ran = one.role.name in judge.world.effects
        demand(not ran or outcome.result is not None, "a result was lost")
        demand(bool(judge.world.fault_struck), f"{one.role.name} heard {outcome!r}")
    elif kind.startswith("contender") or kind == "owner":
        demand(isinstance(outcome, _HONEST), f"{one.role.name} heard {outcome!r}")
        _check_refusal(judge, one, outcome, now)
        _check_own(judge, one, outcome, now)
    else:
        demand(isinstance(outcome, _VERB_ERRORS), f"{one.role.name} heard {outcome!r}")


def _check_result(
    judge: Judge, outcome: ExecutionResult[Any], before: Observation, now: Observation
) -> None:
    seen = now if now.row else before
    erased = bool(seen.row and seen.row["erased_at"])
    if not judge.removed and not erased:
        demand(seen.status == "completed", f"a result was told, and the row is {seen.status}")
        assert seen.row is not None
        demand(seen.row["result"] == outcome.data, "another result was told than is stored")


def _check_own(judge: Judge, one: Actor, outcome: Exception, now: Observation) -> None:
    mine = now.token is not None and judge.made(one, now.token)
    if isinstance(outcome, ExecutionInProgressError):
        demand(not mine or now.status != "running", "a caller was refused by its own claim")
    if isinstance(outcome, LeaseLostError):
        demand(not mine or now.status != "completed", "a caller lost what it had stored")


def _check_refusal(judge: Judge, one: Actor, outcome: Exception, now: Observation) -> None:
    match outcome:
        case ExecutionAbandonedError():
            demand(judge.was_abandoned, "abandoned was told, and it never was")
        case ExecutionNotFoundError() | ResultErasedError():
            told = judge.removed or bool(
                now.row and now.row["erased_at"] and now.row["result"] is None
            )
            demand(told, f"{outcome!r} was told without cause")
        case IdempotencyKeyReusedError():
            known = one.role.name == "stranger" or judge.removed
            demand(known, "the key was refused to the request that it belongs to")
        case LeaseLostError():
            mine = (
                now.row is not None
                and now.status == "running"
                and (str(now.token) == str(getattr(outcome.execution, "claim_token", None)))
            )
            demand(not mine, "a lost claim was told, and it stands")
            ran = one.role.name in judge.world.effects
            demand(not ran or outcome.result is not None, "a result was lost")

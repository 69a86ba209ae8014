"""The invariants, checked from outside after every turn; the first one broken ends the search."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

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
from proof.cast import IN_TRANSACTION, MODES, DeclinedError
from proof.cooperation import VanishedError
from proof.stage import OWNER_TOKEN

if TYPE_CHECKING:
    from proof.stage import Observation
    from proof.world import Actor, World

# Who may end an execution whose outcome is unknown without holding its token.
_DECIDERS = frozenset({"reset", "resolve", "resolve as failed", "webhook", "delete"})
_RUNNERS = frozenset({"owner", "left behind", *(f"contender, {mode}" for mode in MODES)})
_REMOVERS = frozenset({"delete", "purge"})
# Time moves what is stored in the row, and erasing blanks it; neither changes the outcome.
_TIMES = frozenset(
    {"created_at", "updated_at", "started_at", "completed_at", "lease_expires_at", "retry_at"}
)
_ERASABLE = frozenset({"result", "parameters", "erased_at", "error", "error_message", "updated_at"})
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


@dataclass
class Judge:
    """Follows one schedule and remembers what the promises depend on."""

    world: World
    before: Observation
    licences: int = 1
    used_before: int = 0
    was_abandoned: bool = False
    removed: bool = False
    heard: set[int] = field(default_factory=set)
    results: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Say what the starting state has used up: each run needs a licence."""
        self.used_before = int(bool(self.before.row and self.before.row["attempt"]))
        retryable = self.before.status == "failed" and self.before.error["retryable"]
        self.licences = 1 + int(retryable)
        self.was_abandoned = self.before.is_abandoned

    def check_beginning(self) -> None:
        """Demand that everybody waits for a first turn: a search of nothing proves nothing."""
        for one in self.world.actors:
            _demand(not one.turns.is_done, f"{one.role.name} never began: {one.turns.outcome!r}")

    def essence(self) -> tuple[Any, ...]:
        """Return the memory that later verdicts depend on."""
        return (self.licences, self.was_abandoned, self.removed, tuple(sorted(self.heard)))

    def check(self, actor: Actor, now: Observation) -> None:
        """Compare what is seen after a turn with what was seen before it."""
        before, self.before = self.before, now
        self._check_row(actor, before, now)
        self._grant(actor, before, now)
        self.was_abandoned |= now.is_abandoned
        self._check_effects(now)
        self._check_history(now)
        for index, one in enumerate(self.world.actors):
            if one.turns.is_done and index not in self.heard:
                self.heard.add(index)
                self._check_outcome(one, before, now)

    def _check_row(self, actor: Actor, before: Observation, now: Observation) -> None:
        kind = actor.role.kind
        if kind.endswith(IN_TRANSACTION) and before.token != now.token:
            _demand(now.status != "running", "a transaction committed its claim alone")
        if now.row is None or before.row is None:
            _demand(before.row is None or now.row is not None or kind in _REMOVERS, "row lost")
            return
        if before.row["created_at"] != now.row["created_at"] and kind != "clock":
            _demand(self.removed, "another row under the key, though none was removed")
            return
        _demand(now.row["attempt"] >= before.row["attempt"], "attempt lowered")
        self._check_lease(actor, before, now)
        if before.status == "completed":
            free = _TIMES if kind == "clock" else frozenset()
            free |= _ERASABLE if kind == "erase" else frozenset()
            changed = {name for name in now.row if now.row[name] != before.row[name]} - free
            _demand(not changed, f"a completed row changed: {changed}")
            return
        self._check_claim(actor, before, now)

    def _check_lease(self, actor: Actor, before: Observation, now: Observation) -> None:
        assert before.row is not None
        assert now.row is not None
        if actor.role.kind == "heartbeat":
            renewed = before.row["lease_expires_at"] != now.row["lease_expires_at"]
            held = any(str(now.token) in str(entry) for entry in actor.turns.history[:1])
            _demand(not renewed or held, "a foreign lease was renewed")

    def _check_claim(self, actor: Actor, before: Observation, now: Observation) -> None:
        assert before.row is not None
        assert now.row is not None
        kind, same_token = actor.role.kind, before.token == now.token
        if before.status == "running":
            leaves = not same_token or now.status == "pending"
            _demand(not (leaves and before.is_live), "a live claim was taken")
            ends = same_token and now.status in {"completed", "failed"}
            _demand(not ends or self._made(actor, now.token), "a foreign claim was ended")
        if not same_token and now.token and kind not in _DECIDERS:
            grew = now.row["attempt"] == before.row["attempt"] + 1
            _demand(grew, "a new claim did not count its attempt")
        if before.is_abandoned and (not same_token or now.status != before.status):
            mine = same_token and before.status == "running"
            allowed = mine or kind in _DECIDERS or "at least once" in kind or kind == "left behind"
            _demand(allowed, f"abandoned was left by {actor.role.name}")
        if before.status == "failed" and not before.error["retryable"] and not before.is_abandoned:
            _demand(now.status == "failed" or kind == "reset", "a final failure was retried")

    def _made(self, actor: Actor, token: str | None) -> bool:
        """Tell whether an actor made this token; those left behind act for somebody else."""
        if actor.role.kind in {"owner", "left behind"}:
            return actor.role.kind != "owner" or token == str(OWNER_TOKEN)
        return token is not None and self.world.maker_of(UUID(token)) is actor

    def _grant(self, actor: Actor, before: Observation, now: Observation) -> None:
        """Count who may run once more: after a failure, by somebody's word, or with a free key."""
        kind = actor.role.kind
        if before.row is not None and now.row is None:
            self.removed = True
            self.licences = self._used(now) + 1
        elif now.status == "failed" and before.status != "failed":
            declined = "Declined" in str(now.error.get("type")) or kind not in _RUNNERS
            self.licences += int(declined and bool(now.error.get("retryable")))
        elif kind == "resolve as failed" and before.status == "failed" == now.status:
            self.licences += int(before.is_abandoned and not now.is_abandoned)
        elif now.status == "pending" and before.status in {"running", "failed"}:
            retryable = before.status == "failed" and before.error["retryable"]
            self.licences += int(not retryable)
        elif before.is_abandoned and before.token != now.token and now.status == "running":
            self.licences += int("at least once" in kind or kind == "left behind")

    def _used(self, now: Observation) -> int:
        return self.used_before + len(self.world.begun) + len(now.effects)

    def _check_effects(self, now: Observation) -> None:
        used = self._used(now)
        _demand(used <= self.licences, f"{used} runs, and {self.licences} were allowed")
        begun = {*self.world.begun, *now.effects}
        _demand(not begun & {"stranger"}, "another request ran under the key")
        _demand(not set(now.effects) & {"raises"}, "a failed function's writes were kept")
        for one in self.world.actors:
            waits = one.role.kind == "heartbeat" and one.turns.is_blocked
            _demand(not waits, "the heartbeat waits for a lock")

    def _check_history(self, now: Observation) -> None:
        numbers = [entry.split()[0] for entry in now.attempts]
        _demand(len(numbers) == len(set(numbers)), f"an attempt ended twice: {now.attempts}")

    def _check_outcome(self, one: Actor, before: Observation, now: Observation) -> None:
        outcome, kind = one.turns.outcome, one.role.kind
        if isinstance(outcome, VanishedError) or not isinstance(outcome, Exception):
            if isinstance(outcome, ExecutionResult):
                self._check_result(outcome, before, now)
            return
        if isinstance(outcome, StorageError):
            ran = one.role.name in self.world.effects
            _demand(not ran or outcome.result is not None, "a result was lost")
            _demand(bool(self.world.fault_struck), f"{one.role.name} heard {outcome!r}")
        elif kind.startswith("contender") or kind == "owner":
            _demand(isinstance(outcome, _HONEST), f"{one.role.name} heard {outcome!r}")
            self._check_refusal(one, outcome, now)
            self._check_own(one, outcome, now)
        else:
            _demand(isinstance(outcome, _VERB_ERRORS), f"{one.role.name} heard {outcome!r}")

    def _check_result(
        self, outcome: ExecutionResult[Any], before: Observation, now: Observation
    ) -> None:
        seen = now if now.row else before
        erased = bool(seen.row and seen.row["erased_at"])
        if not self.removed and not erased:
            _demand(seen.status == "completed", f"a result was told, and the row is {seen.status}")
            assert seen.row is not None
            _demand(seen.row["result"] == outcome.data, "another result was told than is stored")

    def _check_own(self, one: Actor, outcome: Exception, now: Observation) -> None:
        mine = now.token is not None and self._made(one, now.token)
        if isinstance(outcome, ExecutionInProgressError):
            _demand(not mine or now.status != "running", "a caller was refused by its own claim")
        if isinstance(outcome, LeaseLostError):
            _demand(not mine or now.status != "completed", "a caller lost what it had stored")

    def _check_refusal(self, one: Actor, outcome: Exception, now: Observation) -> None:
        match outcome:
            case ExecutionAbandonedError():
                _demand(self.was_abandoned, "abandoned was told, and it never was")
            case ExecutionNotFoundError() | ResultErasedError():
                told = self.removed or bool(
                    now.row and now.row["erased_at"] and now.row["result"] is None
                )
                _demand(told, f"{outcome!r} was told without cause")
            case IdempotencyKeyReusedError():
                known = one.role.name == "stranger" or self.removed
                _demand(known, "the key was refused to the request that it belongs to")
            case LeaseLostError():
                mine = (
                    now.row is not None
                    and now.status == "running"
                    and (str(now.token) == str(getattr(outcome.execution, "claim_token", None)))
                )
                _demand(not mine, "a lost claim was told, and it stands")
                ran = one.role.name in self.world.effects
                _demand(not ran or outcome.result is not None, "a result was lost")


def _demand(holds: bool, otherwise: str) -> None:  # a condition is what it takes
    if not holds:
        raise BrokenInvariantError(otherwise)

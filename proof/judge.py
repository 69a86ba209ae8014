"""The invariants, checked from outside after every turn; the first one broken ends the search."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from proof.answers import check_answer, demand
from proof.roles import IN_TRANSACTION, MODES
from proof.stage import OWNER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Collection

    from proof.stage import Observation
    from proof.world import Actor, World

# Who may end an execution whose outcome is unknown without holding its token.
_DECIDERS = frozenset({"reset", "resolve", "resolve as failed", "webhook", "delete"})
_VERIFIER = "contender, verifying"
_RUNNERS = frozenset({"owner", "left behind", _VERIFIER, *(f"contender, {mode}" for mode in MODES)})
# Whose claims need not count an attempt: verification is none. What is left behind acts for others.
_NEED_NOT_COUNT = frozenset({_VERIFIER, "left behind"})
_REMOVERS = frozenset({"delete", "purge"})
# Time moves what is stored in the row, and erasing blanks it; neither changes the outcome.
_TIMES = frozenset(
    {"created_at", "updated_at", "started_at", "completed_at", "lease_expires_at", "retry_at"}
)
_ERASABLE = frozenset({"result", "parameters", "erased_at", "error", "error_message", "updated_at"})


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
    # Claims that displaced an unknown outcome, by the word of somebody who then may run.
    over_unknown: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Say what the starting state has used up: each run needs a licence."""
        self.used_before = int(bool(self.before.row and self.before.row["attempt"]))
        retryable = self.before.status == "failed" and self.before.error["retryable"]
        self.licences = 1 + int(retryable)
        self.was_abandoned = self.before.is_abandoned

    def check_beginning(self) -> None:
        """Demand that everybody waits for a first turn: a search of nothing proves nothing."""
        for one in self.world.actors:
            demand(not one.turns.is_done, f"{one.role.name} never began: {one.turns.outcome!r}")

    def essence(self) -> tuple[Any, ...]:
        """Return the memory that later verdicts depend on."""
        memory = (tuple(sorted(self.heard)), tuple(sorted(self.over_unknown)))
        return (self.licences, self.was_abandoned, self.removed, *memory)

    def check(self, actor: Actor, now: Observation) -> None:
        """Compare what is seen after a turn with what was seen before it."""
        before, self.before = self.before, now
        self._check_row(actor, before, now)
        self._grant(actor, before, now)
        self._take_back(before, now)
        self.was_abandoned |= now.is_abandoned
        self._check_effects(now)
        self._check_history(now)
        for index, one in enumerate(self.world.actors):
            if one.turns.is_done and index not in self.heard:
                self.heard.add(index)
                check_answer(self, one, before, now)

    def _check_row(self, actor: Actor, before: Observation, now: Observation) -> None:
        kind = actor.role.kind
        if kind.endswith(IN_TRANSACTION) and before.token != now.token:
            demand(now.status != "running", "a transaction committed its claim alone")
        if now.row is None or before.row is None:
            demand(before.row is None or now.row is not None or kind in _REMOVERS, "row lost")
            return
        if before.row["created_at"] != now.row["created_at"] and kind != "clock":
            demand(self.removed, "another row under the key, though none was removed")
            return
        demand(now.row["attempt"] >= before.row["attempt"], "attempt lowered")
        self._check_lease(actor, before, now)
        if before.status == "completed":
            free = _TIMES if kind == "clock" else frozenset()
            free |= _ERASABLE if kind == "erase" else frozenset()
            changed = {name for name in now.row if now.row[name] != before.row[name]} - free
            demand(not changed, f"a completed row changed: {changed}")
            return
        self._check_claim(actor, before, now)

    def _check_lease(self, actor: Actor, before: Observation, now: Observation) -> None:
        assert before.row is not None
        assert now.row is not None
        if actor.role.kind == "heartbeat":
            renewed = before.row["lease_expires_at"] != now.row["lease_expires_at"]
            held = any(str(now.token) in str(entry) for entry in actor.turns.history[:1])
            demand(not renewed or held, "a foreign lease was renewed")

    def _check_claim(self, actor: Actor, before: Observation, now: Observation) -> None:
        assert before.row is not None
        assert now.row is not None
        kind, same_token = actor.role.kind, before.token == now.token
        if before.status == "running":
            leaves = not same_token or now.status == "pending"
            demand(not (leaves and before.is_live), "a live claim was taken")
            ends = same_token and now.status in {"completed", "failed"}
            demand(not ends or self.made(actor, now.token), "a foreign claim was ended")
        if not same_token and now.token and kind not in _DECIDERS:
            grew = now.row["attempt"] == before.row["attempt"] + 1
            demand(grew or kind in _NEED_NOT_COUNT, "a new claim did not count its attempt")
        if before.is_abandoned and (not same_token or now.status != before.status):
            mine = same_token and before.status == "running"
            allowed = mine or kind in _DECIDERS | _NEED_NOT_COUNT or "at least once" in kind
            demand(allowed, f"abandoned was left by {actor.role.name}")
        if before.status == "failed" and not before.error["retryable"] and not before.is_abandoned:
            demand(now.status == "failed" or kind == "reset", "a final failure was retried")

    def made(self, actor: Actor, token: str | None) -> bool:
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
            if "at least once" in kind or kind == "left behind":
                self.licences += 1
                self.over_unknown.add(str(now.token))
        elif kind in _NEED_NOT_COUNT and now.status == "running" == before.status:
            assert now.row is not None
            assert before.row is not None
            # It was found that it did not happen; the verifier goes on to run it.
            self.licences += now.row["attempt"] - before.row["attempt"]

    def _take_back(self, before: Observation, now: Observation) -> None:
        """Take back the word that an execution of unknown outcome may run, where nobody used it."""
        token = str(before.token)
        if token not in self.over_unknown or now.status == "running":
            return
        self.over_unknown.discard(token)
        maker = self.world.maker_of(UUID(token))
        if now.row is not None and maker and maker.role.name not in self.world.begun:
            self.licences -= 1

    def _used(self, now: Observation) -> int:
        return self.used_before + len(self.world.begun) + len(now.effects)

    def _check_effects(self, now: Observation) -> None:
        used = self._used(now)
        demand(used <= self.licences, f"{used} runs, and {self.licences} were allowed")
        begun = {*self.world.begun, *now.effects}
        demand(not begun & {"stranger"}, "another request ran under the key")
        kept = set(now.effects) & {"raises", "interrupted"}
        demand(not kept, "a failed function's writes were kept")
        for one in self.world.actors:
            waits = one.role.kind == "heartbeat" and one.turns.is_blocked
            demand(not waits, "the heartbeat waits for a lock")

    def _check_history(self, now: Observation) -> None:
        entries: Collection[str] = now.attempts
        if any(one.role.kind == _VERIFIER for one in self.world.actors):
            entries = set(entries)  # each verification notes once more that nobody can tell
        numbers = [entry.split()[0] for entry in entries]
        demand(len(numbers) == len(set(numbers)), f"an attempt ended twice: {now.attempts}")

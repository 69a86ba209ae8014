"""The rules of random programs that finish, decide, blank or remove executions by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from proof.modelled import Row
from proof.programs import AMOUNTS, CALLERS, KEYS, LEASE, RETENTION, STANDING, USERS, Machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

RESULTS = st.sampled_from([None, False, {"by": "hand"}])
TOKENS = st.sampled_from(["none", "right", "earlier", "wrong"])


class Deciding(Machine):
    """The verbs."""

    @rule(who=CALLERS, slot=KEYS, user=USERS, amount=AMOUNTS)
    def create(self, who: int, slot: str, user: int, amount: int) -> None:
        """Register it."""
        options = self.options(slot, user, amount)
        self.same(
            lambda: _nothing(self.caller(who).create_execution(options)),
            lambda: self.model.create(slot, Row(self.user_of(slot, user), amount)),
        )

    @precondition(lambda self: self.model.rows)
    @rule(who=CALLERS, standing=STANDING, lease=st.sampled_from([None, LEASE]))
    def mark_running(self, who: int, standing: int, lease: float | None) -> None:
        """Claim it by hand, and keep the token."""
        slot = self.slot_of(standing)
        tokens: list[UUID] = []

        def real() -> int:
            length = None if lease is None else timedelta(seconds=lease)
            tokens.append(self.caller(who).mark_running(self.id_of(slot), length).claim_token)
            return self.model.claims

        self.same(real, lambda: self.model.mark_running(slot, lease))
        if tokens:
            self.tokens[self.model.claims] = tokens[0]

    def claim_of(self, slot: str, which: str) -> int | None:
        """Choose whose token to finish with: nobody's, the right, an older, or a made-up one."""
        row = self.model.rows.get(slot)
        if which == "none":
            return None
        if which == "earlier" and len(self.tokens) > 1:
            return sorted(self.tokens)[-2]
        return row.claim if which == "right" and row and row.claim in self.tokens else -1

    def token_of(self, claim: int | None) -> UUID | None:
        """Return a claim's token."""
        return None if claim is None else self.tokens.get(claim, uuid4())

    @precondition(lambda self: self.model.rows)
    @rule(
        who=CALLERS,
        standing=STANDING,
        verb=st.sampled_from(["completed", "failed", "failed for good", "failed for now"]),
        result=RESULTS,
        which=TOKENS,
    )
    def finish(  # what hypothesis draws
        self, who: int, standing: int, verb: str, result: Any, which: str
    ) -> None:
        """Finish it by hand, as a callback does."""
        slot = self.slot_of(standing)
        claim, caller, key = self.claim_of(slot, which), self.caller(who), self.id_of(slot)
        token = self.token_of(claim)
        if verb == "completed":
            self.same(
                lambda: _nothing(caller.mark_completed(key, result, token)),
                lambda: self.model.mark_completed(slot, result, claim),
            )
            return
        again, delay = verb != "failed for good", LEASE if verb == "failed for now" else None
        pause = None if delay is None else timedelta(seconds=delay)
        told: dict[str, Any] = {"retryable": again, "retry_delay": pause, "claim_token": token}
        self.same(
            lambda: _nothing(caller.mark_failed(key, "no", **told)),
            lambda: self.model.mark_failed(slot, claim, retryable=again, delay=delay),
        )

    @precondition(lambda self: self.model.rows)
    @rule(
        who=CALLERS,
        standing=STANDING,
        verb=st.sampled_from(["resolve", "resolve_as_failed", "reset", "erase", "delete"]),
        result=RESULTS,
    )
    def decide(self, who: int, standing: int, verb: str, result: Any) -> None:
        """Say that it happened, or that it did not; start it anew, blank it, or remove it."""
        slot = self.slot_of(standing)
        caller, key = self.caller(who), self.id_of(slot)
        real: dict[str, Callable[[], Any]] = {
            "resolve": lambda: caller.resolve(key, result=result),
            "resolve_as_failed": lambda: caller.resolve(key, error="it did not happen"),
        }
        given = (slot, result) if verb == "resolve" else (slot,)
        self.same(
            lambda: _nothing(real.get(verb, lambda: getattr(caller, verb)(key))()),
            lambda: getattr(self.model, verb)(*given),
        )

    @precondition(lambda self: self.model.rows)
    @rule(who=CALLERS)
    def purge(self, who: int) -> None:
        """Remove what has ended long ago."""
        retention = timedelta(seconds=RETENTION)
        self.same(
            lambda: self.caller(who).purge(retention, statuses=("completed", "failed")),
            lambda: self.model.purge(RETENTION),
        )


def _nothing(_snapshot: Any) -> None:
    """Compare what is stored, and not what was returned."""

"""The rules of random programs that hold claims by their handles, and end them later or never."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from exec_tracker import OutcomeUnknownError
from proof.calling import HOWS, WISHES, settings_of
from proof.modelled import How, Row, Wish
from proof.programs import AMOUNTS, CALLERS, KEYS, LEASE, USERS, Machine

if TYPE_CHECKING:
    from proof.callers import Blocking

WHICH = st.integers(0, 3)
PATIENCE = timedelta(minutes=2)


class Holding(Machine):
    """Claims by a handle."""

    @rule(who=CALLERS, slot=KEYS, user=USERS, amount=AMOUNTS, wish=WISHES)
    def claim(  # what hypothesis draws
        self, who: int, slot: str, user: int, amount: int, wish: Wish
    ) -> None:
        """Claim a key, and keep the handle."""
        handles: list[Blocking] = []
        options = self.options(slot, user, amount)

        def real() -> tuple[str, Any]:
            lease = timedelta(seconds=LEASE)
            handle = self.caller(who).claim(options, lease=lease, **settings_of(wish))
            if handle.cached:
                return ("cached", handle.result)
            handles.append(handle)
            return ("held", self.model.claims)

        new = Row(self.user_of(slot, user), amount)
        self.same(real, lambda: self.model.claim(slot, new, wish, LEASE))
        for handle in handles:
            self.handles[self.model.claims] = (slot, handle)
            self.tokens[self.model.claims] = handle.claim_token

    def held(self, which: int) -> tuple[int, str, Blocking]:
        """Choose one of the open handles."""
        number = sorted(self.handles)[which % len(self.handles)]
        slot, handle = self.handles[number]
        return number, slot, handle

    @precondition(lambda self: self.handles)
    @rule(which=WHICH)
    def renew(self, which: int) -> None:
        """Renew a claim by its handle."""
        number, slot, handle = self.held(which)
        self.same(handle.heartbeat, lambda: self.model.renew(slot, number, LEASE))

    @precondition(lambda self: self.handles)
    @rule(which=WHICH)
    def complete(self, which: int) -> None:
        """Store a result by the handle, perhaps too late."""
        number, slot, handle = self.held(which)
        value = {"call": self.calls}
        self.same(lambda: handle.complete(value), lambda: self.model.complete(slot, number, value))
        del self.handles[number]

    @precondition(lambda self: self.handles)
    @rule(which=WHICH, how=HOWS)
    def fail(self, which: int, how: How) -> None:
        """Record an exception by the handle, perhaps too late."""
        number, slot, handle = self.held(which)
        error = OutcomeUnknownError() if how == "cannot tell" else ValueError()
        self.same(lambda: handle.fail(error), lambda: self.model.fail(slot, number, how))
        del self.handles[number]

    @precondition(lambda self: self.handles)
    @rule(which=WHICH, lease=st.sampled_from([None, LEASE]))
    def detach(self, which: int, lease: float | None) -> None:
        """Leave a claim to whoever has its token."""
        number, slot, handle = self.held(which)
        length = None if lease is None else timedelta(seconds=lease)
        self.same(lambda: handle.detach(length), lambda: self.model.renew(slot, number, lease))
        del self.handles[number]

    @precondition(lambda self: self.handles)
    @rule(who=CALLERS, which=WHICH, fails=st.booleans())
    def end_while_another_waits(self, who: int, which: int, fails: bool) -> None:
        """End a claim while a caller waits for it: that caller adopts what came of it."""
        number, slot, handle = self.held(which)
        if not self.model.stands(slot, number) or self.model.is_abandoned(self.model.rows[slot]):
            return  # nobody would wait for this claim
        row, value = self.model.rows[slot], {"call": self.calls}
        options = self.options(slot, row.user, row.amount)
        wish = Wish(on_failed="raise")
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(
                self.caller(who).execute_idempotent,
                options,
                lambda: "the waiter ran",
                on_running="wait",
                wait_timeout=PATIENCE,
                **settings_of(wish),
            )
            if fails:
                self.same(
                    lambda: handle.fail(ValueError()),
                    lambda: self.model.fail(slot, number, "raises"),
                )
            else:
                self.same(
                    lambda: handle.complete(value),
                    lambda: self.model.complete(slot, number, value),
                )
            del self.handles[number]
            self.same(
                waiting.result,
                lambda: self.model.execute(slot, row, "returns", "the waiter ran", wish),
            )

"""The rules of random programs that run work: every door, every wish, and many keys at once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from exec_tracker import (
    DidNotHappen,
    ExecutionContext,
    Happened,
    OutcomeUnknownError,
    RetryPolicy,
    Unknown,
)
from proof.modelled import Answer, How, ModelError, Row, Wish
from proof.programs import AMOUNTS, CALLERS, KEYS, SLOTS, STANDING, USERS, Machine

if TYPE_CHECKING:
    from collections.abc import Callable

HOWS: st.SearchStrategy[How] = st.sampled_from(["returns", "returns", "raises", "cannot tell"])
WISHES = st.builds(
    Wish,
    on_failed=st.sampled_from(["retry", "retry", "raise"]),
    on_abandoned=st.sampled_from(["raise", "retry"]),
    most=st.sampled_from([None, None, 2]),
)
VERIFIED: st.SearchStrategy[Answer | None] = st.sampled_from(
    [None, None, "it happened", "it did not", "cannot tell"]
)
NOTHING = timedelta(0)


def settings_of(wish: Wish) -> dict[str, Any]:
    """Return a wish as the keywords of a call."""
    return {
        "on_failed": wish.on_failed,
        "on_abandoned": wish.on_abandoned,
        "retry": RetryPolicy(max_attempts=wish.most),
    }


class Calling(Machine):
    """Calls that run work under a key."""

    @rule(
        who=CALLERS,
        slot=KEYS,
        user=USERS,
        amount=AMOUNTS,
        how=HOWS,
        wish=WISHES,
        verify=VERIFIED,
        on_running=st.sampled_from(["raise", "wait"]),
    )
    def execute(  # noqa: PLR0917 # what hypothesis draws
        self,
        who: int,
        slot: str,
        user: int,
        amount: int,
        how: How,
        wish: Wish,
        verify: Answer | None,
        on_running: str,
    ) -> None:
        """Run work outside, perhaps after finding out, perhaps waiting for nobody."""
        value, options = {"call": self.calls}, self.options(slot, user, amount)
        wish = Wish(wish.on_failed, wish.on_abandoned, wish.most, verify)
        chosen = {"on_running": on_running, "wait_timeout": NOTHING, **settings_of(wish)}
        if verify is not None:
            chosen["verify"] = _verifier(verify)
        self.same(
            lambda: self.caller(who).execute_idempotent(
                options, self._function(slot, how, value), **chosen
            ),
            lambda: self.model.execute(
                slot, Row(self.user_of(slot, user), amount), how, value, wish
            ),
        )

    def _function(self, slot: str, how: How, value: Any) -> Callable[[ExecutionContext], Any]:
        def run(context: ExecutionContext) -> Any:
            assert context.attempt == self.model.rows[slot].attempt
            if how == "raises":
                raise ValueError
            if how == "cannot tell":
                raise OutcomeUnknownError
            return value

        return run

    @rule(
        who=CALLERS,
        slot=KEYS,
        user=USERS,
        amount=AMOUNTS,
        fails=st.booleans(),
        wish=WISHES,
        is_hosts=st.booleans(),
    )
    def execute_in_transaction(  # noqa: PLR0917 # what hypothesis draws
        self,
        who: int,
        slot: str,
        user: int,
        amount: int,
        fails: bool,
        wish: Wish,
        is_hosts: bool,
    ) -> None:
        """Run work in a transaction, of the tracker's or of the host's."""
        value, options = {"call": self.calls}, self.options(slot, user, amount)
        how: How = "raises" if fails else "returns"

        def work(_session: Any) -> Any:
            if fails:
                raise ValueError
            return value

        caller = self.caller(who)
        run = caller.in_session if is_hosts else caller.execute_in_transaction
        self.same(
            lambda: run(options, work, **settings_of(wish)),
            lambda: self.model.execute(
                slot, Row(self.user_of(slot, user), amount), how, value, wish
            ),
        )

    @rule(
        who=CALLERS,
        slots=st.lists(st.sampled_from(SLOTS), unique=True, min_size=1),
        user=USERS,
        amount=AMOUNTS,
    )
    def execute_many(self, who: int, slots: list[str], user: int, amount: int) -> None:
        """Run work under many keys at once."""
        value = {"call": self.calls}
        requests = [self.options(slot, user, amount) for slot in slots]

        def modelled(slot: str) -> tuple[str, Any]:
            new = Row(self.user_of(slot, user), amount)
            try:
                answer = self.model.execute(slot, new, "returns", value, Wish())
            except ModelError as error:
                return ("error", str(error))
            return ("answer", answer)

        def real() -> list[tuple[str, Any]]:
            outcomes = self.caller(who).execute_many(requests, lambda: value)
            return [
                ("answer", one.result.data) if one.error is None else ("error", _name(one.error))
                for one in outcomes
            ]

        self.same(real, lambda: [modelled(slot) for slot in slots])

    @precondition(lambda self: self.model.rows)
    @rule(who=CALLERS, standing=STANDING)
    def wait(self, who: int, standing: int) -> None:
        """Look whether it has ended."""
        slot = self.slot_of(standing)
        self.same(
            lambda: str(self.caller(who).wait(self.id_of(slot), NOTHING).status),
            lambda: self.model.wait(slot),
        )


def _verifier(answer: Answer) -> Callable[[ExecutionContext], Any]:
    def verify(context: ExecutionContext) -> Any:
        if answer == "it happened":
            return Happened({"verified": context.attempt})
        return DidNotHappen() if answer == "it did not" else Unknown()

    return verify


def _name(error: Exception) -> str:
    return type(error).__name__

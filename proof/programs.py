"""Random programs of API calls, run against the real service and against the model."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID  # noqa: TC003 # hypothesis reads the annotations of machines

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from exec_tracker import ExecuteOptions, KeyScope
from proof.model import Model
from proof.modelled import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.testing.clock import DatabaseClock
    from proof.callers import AsyncCaller, Blocking, SyncCaller

# Two keys that users share, and each user's own under one more.
SLOTS = ("one", "two", "own of 0", "own of 1")
# Mostly one request on one key, so that much happens to it.
KEYS = st.sampled_from(["one"] * 6 + ["two", "own of 0", "own of 1"])
USERS = st.sampled_from([0] * 9 + [1])
AMOUNTS = st.sampled_from([1] * 9 + [2])
CALLERS = st.integers(0, 7)
# Which of the executions that stand; now and then one that does not.
STANDING = st.integers(0, 11)
# Longer than any test, so that nothing is renewed but by the program.
LEASE = timedelta(days=1).total_seconds()
# What is purged is clearly older and what stays clearly younger, however slow a test runs.
PASSING = st.sampled_from([1.2 * LEASE, 3 * LEASE])
RETENTION = 2 * LEASE
_ABSENT = 11


class Machine(RuleBasedStateMachine):
    """What every program begins with, and what holds after each of its calls."""

    clock: ClassVar[DatabaseClock]
    callers: ClassVar[list[SyncCaller | AsyncCaller]]
    users: ClassVar[list[UUID]]
    calls: ClassVar[int] = 0
    programs: ClassVar[int] = 0

    @initialize()
    def begin(self) -> None:
        """Begin with no executions."""
        type(self).programs += 1
        self.model = Model()
        self.tokens: dict[int, UUID] = {}
        self.handles: dict[int, tuple[str, Blocking]] = {}
        left = self.caller(0).list_executions()
        if any(one.status == "running" and not one.is_abandoned for one in left):
            self.clock.advance(timedelta(seconds=2 * LEASE))
        for one in left:
            self.caller(0).delete(one.id)

    def teardown(self) -> None:
        """Give up what is left open, so that nobody goes on renewing it."""
        for _, handle in getattr(self, "handles", {}).values():
            handle.fail(ValueError("the program is over"))

    def caller(self, which: int) -> SyncCaller | AsyncCaller:
        """Choose one of the trackers."""
        return self.callers[which % len(self.callers)]

    def id_of(self, slot: str) -> str:
        """Return the id that is stored: in a user's scope with the user in front."""
        if slot.startswith("own of"):
            return f"{self.users[int(slot[-1])]}:own"
        return slot

    def options(self, slot: str, user: int, amount: int) -> ExecuteOptions:
        """Make a request."""
        own = slot.startswith("own of")
        return ExecuteOptions(
            idempotency_key="own" if own else slot,
            key_scope=KeyScope.USER if own else KeyScope.GLOBAL,
            workflow_id="payments",
            user_id=self.users[int(slot[-1]) if own else user],
            parameters={"amount": amount},
        )

    def user_of(self, slot: str, user: int) -> int:
        """Tell who asks: under one's own key, nobody but oneself."""
        return int(slot[-1]) if slot.startswith("own of") else user

    def same(self, real: Callable[[], Any], modelled: Callable[[], Any]) -> Any:
        """Call both, and demand the same answer: a value, or an error by name."""
        type(self).calls += 1
        try:
            expected: tuple[str, Any] = ("answer", modelled())
        except ModelError as error:
            expected = ("error", str(error))
        try:
            answer: tuple[str, Any] = ("answer", real())
        except Exception as error:  # noqa: BLE001 # whatever it is, the model must have said so
            answer = ("error", type(error).__name__)
        assert answer == expected, f"the service: {answer}; the model: {expected}"
        return answer[1]

    def slot_of(self, which: int) -> str:
        """Choose an execution that stands, or a key of which nobody knows."""
        slots = sorted(self.model.rows)
        return SLOTS[1] if which == _ABSENT or not slots else slots[which % len(slots)]

    @precondition(lambda self: self.model.rows)
    @rule(seconds=PASSING)
    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(seconds=seconds))
        self.model.now += seconds

    @invariant()
    def what_is_stored_is_what_the_model_has(self) -> None:
        """Compare every key, with its history."""
        if not hasattr(self, "model"):
            return
        listed = {one.id: one for one in self.callers[0].list_executions()}
        assert set(listed) == {self.id_of(slot) for slot in self.model.rows}
        for slot, row in self.model.rows.items():
            seen = listed[self.id_of(slot)]
            stored = (seen.status, seen.attempt, seen.result, seen.erased_at is not None)
            assert stored == (row.status, row.attempt, row.result, row.erased)
            assert seen.is_abandoned == self.model.is_abandoned(row)
            history = self.callers[0].get_attempts(self.id_of(slot))
            assert tuple((one.attempt, str(one.outcome)) for one in history) == row.history

    @rule(who=CALLERS)
    def look(self, who: int) -> None:
        """List what is abandoned, and what is each user's."""
        rows, caller = self.model.rows.items(), self.caller(who)
        abandoned = {self.id_of(slot) for slot, row in rows if self.model.is_abandoned(row)}
        assert {one.id for one in caller.find_abandoned()} == abandoned
        for number, user in enumerate(self.users):
            seen = {one.id for one in caller.get_recent_executions(user)}
            assert seen == {self.id_of(slot) for slot, row in rows if row.user == number}

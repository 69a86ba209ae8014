"""Random programs of API calls, run against the real service and against the model."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exec_tracker import ExecuteOptions, ExecutionContext, ExecutionTracker, OutcomeUnknownError
from proof.model import How, Model, ModelError, Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.testing.clock import DatabaseClock

KEYS = st.sampled_from(["one", "two"])
USERS = st.sampled_from([0, 0, 0, 1])
AMOUNTS = st.sampled_from([1, 1, 1, 2])
HOWS: st.SearchStrategy[How] = st.sampled_from(["returns", "raises", "cannot tell"])
RESULTS = st.sampled_from([None, False, {"by": "hand"}])
LEASE = 60.0
# What is purged is clearly older and what stays clearly younger, however slow a test runs.
PASSING = st.sampled_from([LEASE + 20, 3 * LEASE])
RETENTION = 2 * LEASE


class Programs(RuleBasedStateMachine):
    """Every verb of the service, in any order, two users on two keys; two trackers take turns."""

    clock: ClassVar[DatabaseClock]
    trackers: ClassVar[list[ExecutionTracker]]
    users: ClassVar[list[UUID]]
    calls: ClassVar[int] = 0

    @initialize()
    def begin(self) -> None:
        """Begin with no executions."""
        self.model = Model()
        self.tokens: dict[int, UUID] = {}
        for key in ("one", "two"):
            seen = self.trackers[0].get_execution(key)
            if seen is not None and seen.status == "running" and not seen.is_abandoned:
                self.clock.advance(timedelta(days=1))
            if seen is not None:
                self.trackers[0].delete(key)

    @property
    def tracker(self) -> ExecutionTracker:
        """Take the trackers in turn."""
        self.trackers.reverse()
        return self.trackers[0]

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

    def options(self, key: str, user: int, amount: int) -> ExecuteOptions:
        """Make a request."""
        return ExecuteOptions(
            idempotency_key=key,
            workflow_id="payments",
            user_id=self.users[user],
            parameters={"amount": amount},
        )

    @rule(
        key=KEYS,
        user=USERS,
        amount=AMOUNTS,
        how=HOWS,
        on_failed=st.sampled_from(["retry", "raise"]),
        on_abandoned=st.sampled_from(["raise", "retry"]),
        in_transaction=st.booleans(),
    )
    def execute(  # noqa: PLR0917 # what hypothesis draws
        self,
        key: str,
        user: int,
        amount: int,
        how: How,
        on_failed: Any,
        on_abandoned: Any,
        in_transaction: bool,
    ) -> None:
        """Run work under a key, in either mode."""
        options = self.options(key, user, amount)
        if in_transaction and how == "cannot tell":
            how = "raises"  # a transaction can always tell

        def run(context: ExecutionContext) -> Any:
            if how == "raises":
                raise ValueError
            if how == "cannot tell":
                raise OutcomeUnknownError
            return {"attempt": context.attempt}

        def real() -> Any:
            chosen: Any = {"on_failed": on_failed, "on_abandoned": on_abandoned}
            if in_transaction:
                work = _in_session(how, lambda: self.model.rows[key].attempt)
                return self.tracker.execute_in_transaction(options, work, **chosen)
            return self.tracker.execute_idempotent(options, run, **chosen)

        new = Row(user, amount)
        self.same(
            real,
            lambda: self.model.execute(
                key, new, how, on_failed=on_failed, on_abandoned=on_abandoned
            ),
        )

    @rule(key=KEYS, user=USERS, amount=AMOUNTS)
    def create(self, key: str, user: int, amount: int) -> None:
        """Register it."""
        options = self.options(key, user, amount)
        self.same(
            lambda: _nothing(self.tracker.create_execution(options)),
            lambda: self.model.create(key, Row(user, amount)),
        )

    @rule(key=KEYS, lease=st.sampled_from([None, LEASE]))
    def mark_running(self, key: str, lease: float | None) -> None:
        """Claim it by hand, and keep the token."""
        tokens: list[UUID] = []

        def real() -> int:
            length = None if lease is None else timedelta(seconds=lease)
            token = self.tracker.mark_running(key, length).claim_token
            assert token is not None
            tokens.append(token)
            return self.model.claims

        self.same(real, lambda: self.model.mark_running(key, lease))
        if tokens:
            self.tokens[self.model.claims] = tokens[0]

    def claim_of(self, key: str, which: str) -> int | None:
        """Choose whose token to finish with: nobody's, the right one, or a wrong one."""
        row = self.model.rows.get(key)
        if which == "none":
            return None
        return row.claim if which == "right" and row and row.claim in self.tokens else -1

    @rule(key=KEYS, result=RESULTS, which=st.sampled_from(["none", "right", "wrong"]))
    def mark_completed(self, key: str, result: Any, which: str) -> None:
        """Finish it by hand."""
        claim = self.claim_of(key, which)
        token = None if claim is None else self.tokens.get(claim, uuid4())
        self.same(
            lambda: _nothing(self.tracker.mark_completed(key, result, token)),
            lambda: self.model.mark_completed(key, result, claim),
        )

    @rule(key=KEYS, retryable=st.booleans(), which=st.sampled_from(["none", "right", "wrong"]))
    def mark_failed(self, key: str, retryable: bool, which: str) -> None:
        """Fail it by hand."""
        claim = self.claim_of(key, which)
        token = None if claim is None else self.tokens.get(claim, uuid4())
        self.same(
            lambda: _nothing(
                self.tracker.mark_failed(key, "no", retryable=retryable, claim_token=token)
            ),
            lambda: self.model.mark_failed(key, claim, retryable=retryable),
        )

    @rule(key=KEYS, result=RESULTS)
    def resolve(self, key: str, result: Any) -> None:
        """Say that it happened."""
        self.same(
            lambda: _nothing(self.tracker.resolve(key, result=result)),
            lambda: self.model.resolve(key, result),
        )

    @rule(key=KEYS, verb=st.sampled_from(["resolve_as_failed", "reset", "erase", "delete"]))
    def decide(self, key: str, verb: str) -> None:
        """Say that it did not happen, or start it anew, blank it, or remove it."""

        def real() -> None:
            if verb == "resolve_as_failed":
                self.tracker.resolve(key, error="it did not happen")
            else:
                getattr(self.tracker, verb)(key)

        self.same(real, lambda: getattr(self.model, verb)(key))

    @rule()
    def purge(self) -> None:
        """Remove what has ended long ago."""
        retention = timedelta(seconds=RETENTION)
        self.same(
            lambda: self.tracker.purge(retention, statuses=("completed", "failed")),
            lambda: self.model.purge(RETENTION),
        )

    @rule(seconds=PASSING)
    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(seconds=seconds))
        self.model.now += seconds

    @invariant()
    def what_is_stored_is_what_the_model_has(self) -> None:
        """Compare every key."""
        for key in ("one", "two") if hasattr(self, "model") else ():
            row, seen = self.model.rows.get(key), self.trackers[0].get_execution(key)
            assert (row is None) == (seen is None), key
            if row is not None and seen is not None:
                stored = (seen.status, seen.attempt, seen.result, seen.erased_at is not None)
                assert stored == (row.status, row.attempt, row.result, row.erased)
                assert seen.is_abandoned == self.model.is_abandoned(row)


def _in_session(how: How, attempt: Callable[[], int]) -> Callable[[Any], Any]:
    def work(_session: Any) -> Any:
        if how == "raises":
            raise ValueError
        return {"attempt": attempt()}

    return work


def _nothing(_snapshot: Any) -> None:
    """Compare what is stored, and not what was returned."""

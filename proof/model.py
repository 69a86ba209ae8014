"""A dictionary that behaves as the service is documented to: what random programs are held to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proof.modelled import Answer, How, ModelError, ModelVerbs, Row, Wish


class Model(ModelVerbs):
    """The documented behaviour, without a database: one row per key, and a clock."""

    def stands(self, key: str, claim: int) -> bool:
        """Tell whether a claim may still store its outcome."""
        row = self.rows.get(key)
        return row is not None and row.status == "running" and row.claim == claim

    def execute(self, key: str, new: Row, how: How, value: Any, wish: Wish) -> Any:
        """Run, replay, verify or refuse."""
        row = self._claimable(key, new, wish)
        if row.status == "completed":
            return row.result
        if wish.verify is not None and self.is_abandoned(row):
            return self._verify(key, row, how, value, wish.verify)
        return self._run(key, self._claimed(row, None), how, value)

    def claim(self, key: str, new: Row, wish: Wish, lease: float) -> tuple[str, Any]:
        """Claim for a handle, or give the stored result."""
        row = self._claimable(key, new, wish)
        if row.status == "completed":
            return ("cached", row.result)
        self.rows[key] = self._claimed(row, lease)
        return ("held", self.claims)

    def _claimable(self, key: str, new: Row, wish: Wish) -> Row:
        row = self.rows.get(key)
        if row is None:
            return new
        if (row.user, row.amount) != (new.user, new.amount):
            raise ModelError("IdempotencyKeyReusedError")
        if row.status == "completed" and row.erased:
            raise ModelError("ResultErasedError")
        if self.is_abandoned(row):
            may_take_over = wish.on_abandoned == "retry" and not _used_up(row, wish)
            if wish.verify is None and not may_take_over:
                raise ModelError("ExecutionAbandonedError")
        elif row.status == "running":
            raise ModelError("ExecutionInProgressError")
        elif row.status == "failed":
            early = row.retry_at is not None and row.retry_at > self.now
            final = wish.on_failed == "raise" or not row.retryable or _used_up(row, wish)
            if final or early:
                raise ModelError("ExecutionFailedError")
        return row

    def _verify(self, key: str, row: Row, how: How, value: Any, answer: Answer) -> Any:
        claimed = replace(self._claimed(row, None), attempt=row.attempt)
        if answer == "it happened":
            self.rows[key] = self._completed(claimed, {"verified": row.attempt})
            return {"verified": row.attempt}
        if answer == "it did not":
            return self._run(key, replace(claimed, attempt=row.attempt + 1), how, value)
        # Each verification that cannot tell is noted once more, under the attempt it is about.
        self.rows[key] = self._failed(claimed, retryable=False, unknown=True)
        raise ModelError("ExecutionAbandonedError")

    def _run(self, key: str, ran: Row, how: How, value: Any) -> Any:
        if how == "returns":
            self.rows[key] = self._completed(ran, value)
            return value
        unknown = how == "cannot tell"
        self.rows[key] = self._failed(ran, retryable=not unknown, unknown=unknown)
        raise ModelError("OutcomeUnknownError" if unknown else "ValueError")

    def renew(self, key: str, claim: int, lease: float | None) -> None:
        """Renew a handle's claim, or give it another lease."""
        if not self.stands(key, claim):
            raise ModelError("LeaseLostError")
        end = None if lease is None else self.now + lease
        self.rows[key] = replace(self.rows[key], lease_end=end)

    def complete(self, key: str, claim: int, result: Any) -> Any:
        """Store a handle's result."""
        if not self.stands(key, claim):
            own = self.rows.get(key)
            if own is None or (own.status, own.claim, own.result) != ("completed", claim, result):
                raise ModelError("LeaseLostError")
            return result
        self.rows[key] = self._completed(self.rows[key], result)
        return result

    def fail(self, key: str, claim: int, how: How) -> None:
        """Store what a handle's block raised, if the claim stands."""
        if self.stands(key, claim):
            unknown = how == "cannot tell"
            self.rows[key] = self._failed(self.rows[key], retryable=not unknown, unknown=unknown)


def _used_up(row: Row, wish: Wish) -> bool:
    return wish.most is not None and row.attempt >= wish.most

"""A dictionary that behaves as the service is documented to: what random programs are held to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

How = Literal["returns", "raises", "cannot tell"]


@dataclass(frozen=True, slots=True)
class Row:
    """One execution of the model; `lease_end` is None where there is no lease."""

    user: int
    amount: int
    status: str = "pending"
    attempt: int = 0
    result: Any = None
    claim: int = 0
    lease_end: float | None = None
    unknown: bool = False
    retryable: bool = True
    erased: bool = False
    ended_at: float = 0.0


class ModelError(Exception):
    """What the service answers instead of a result: the name of its error."""


class Model:
    """The documented behaviour, without a database: one row per key, and a clock."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.now = 0.0
        self.claims = 0

    def is_abandoned(self, row: Row) -> bool:
        """Tell whether nobody knows the outcome."""
        if row.status == "running":
            return row.lease_end is not None and row.lease_end <= self.now
        return row.status == "failed" and row.unknown

    def execute(self, key: str, new: Row, how: How, *, on_failed: str, on_abandoned: str) -> Any:
        """Run, replay or refuse; a run's result names its attempt."""
        row = self.rows.get(key)
        if row is not None:
            self._check_same(row, new)
            if row.status == "completed":
                if row.erased:
                    raise ModelError("ResultErasedError")
                return row.result
            self._check_runnable(row, on_failed, on_abandoned)
        return self._run(key, row or new, how)

    def _check_same(self, row: Row, new: Row) -> None:
        if (row.user, row.amount) != (new.user, new.amount):
            raise ModelError("IdempotencyKeyReusedError")

    def _check_runnable(self, row: Row, on_failed: str, on_abandoned: str) -> None:
        if self.is_abandoned(row):
            if on_abandoned == "raise":
                raise ModelError("ExecutionAbandonedError")
        elif row.status == "running":
            raise ModelError("ExecutionInProgressError")
        elif row.status == "failed" and (on_failed == "raise" or not row.retryable):
            raise ModelError("ExecutionFailedError")

    def _run(self, key: str, row: Row, how: How) -> Any:
        ran = self._claimed(row, None)
        if how == "returns":
            result = {"attempt": ran.attempt}
            self.rows[key] = self._completed(ran, result)
            return result
        unknown = how == "cannot tell"
        self.rows[key] = self._failed(ran, retryable=not unknown, unknown=unknown)
        raise ModelError("OutcomeUnknownError" if unknown else "ValueError")

    def _claimed(self, row: Row, lease: float | None) -> Row:
        self.claims += 1
        return replace(
            row,
            status="running",
            attempt=row.attempt + 1,
            claim=self.claims,
            lease_end=None if lease is None else self.now + lease,
            unknown=False,
            erased=False,
            result=None,
        )

    def _completed(self, row: Row, result: Any) -> Row:
        return replace(
            row,
            status="completed",
            result=result,
            erased=False,
            unknown=False,
            lease_end=None,
            ended_at=self.now,
        )

    def _failed(self, row: Row, *, retryable: bool, unknown: bool = False) -> Row:
        return replace(
            row,
            status="failed",
            retryable=retryable,
            unknown=unknown,
            lease_end=None,
            ended_at=self.now,
        )

    def create(self, key: str, new: Row) -> None:
        """Register a pending execution."""
        if key in self.rows:
            raise ModelError("ExecutionExistsError")
        self.rows[key] = new

    def mark_running(self, key: str, lease: float | None) -> int:
        """Claim by hand and return the claim's number."""
        row = self._found(key)
        _legal(row.status == "pending" or (row.status == "failed" and not row.unknown))
        self.rows[key] = self._claimed(row, lease)
        return self.claims

    def mark_completed(self, key: str, result: Any, claim: int | None) -> None:
        """Store a result; the same one again changes nothing."""
        row = self._found(key)
        if row.status == "completed":
            _legal(not row.erased and row.result == result)
            return
        self._check_finish(row, claim)
        self.rows[key] = self._completed(row, result)

    def mark_failed(self, key: str, claim: int | None, *, retryable: bool) -> None:
        """Store a failure."""
        row = self._found(key)
        self._check_finish(row, claim)
        self.rows[key] = self._failed(row, retryable=retryable)

    def _check_finish(self, row: Row, claim: int | None) -> None:
        if claim is not None:
            undecided = row.status == "failed" and row.unknown
            _legal((row.status == "running" or undecided) and row.claim == claim)
        else:
            _legal(row.status == "pending" or self._is_free(row))

    def _is_free(self, row: Row) -> bool:
        return row.status == "running" and (row.lease_end is None or row.lease_end <= self.now)

    def resolve(self, key: str, result: Any) -> None:
        """Decide that it happened, with this result."""
        row = self._found(key)
        if row.status == "completed":
            _legal(not row.erased and row.result == result)
            return
        _legal(self._is_free(row) or self.is_abandoned(row))
        self.rows[key] = self._completed(row, result)

    def resolve_as_failed(self, key: str) -> None:
        """Decide that it did not happen."""
        row = self._found(key)
        _legal(self._is_free(row) or self.is_abandoned(row))
        self.rows[key] = self._failed(row, retryable=True)

    def reset(self, key: str) -> None:
        """Make it pending again."""
        row = self._found(key)
        _legal(row.status == "failed" or self._is_free(row))
        self.rows[key] = replace(row, status="pending", unknown=False, lease_end=None, claim=0)

    def erase(self, key: str) -> None:
        """Blank it."""
        row = self._found(key)
        _legal(row.status != "running")
        self.rows[key] = replace(row, result=None, erased=True)

    def delete(self, key: str) -> None:
        """Remove it."""
        row = self._found(key)
        _legal(row.status != "running" or self._is_free(row))
        del self.rows[key]

    def purge(self, older_than: float) -> int:
        """Remove what ended long ago."""
        ended = {"completed", "failed"}
        gone = [
            key
            for key, row in self.rows.items()
            if row.status in ended and row.ended_at < self.now - older_than
        ]
        for key in gone:
            del self.rows[key]
        return len(gone)

    def _found(self, key: str) -> Row:
        if key not in self.rows:
            raise ModelError("ExecutionNotFoundError")
        return self.rows[key]


def _legal(holds: bool) -> None:  # a condition is what it takes
    if not holds:
        raise ModelError("IllegalTransitionError")

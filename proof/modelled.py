"""The rows of the model, and what the verbs do to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

How = Literal["returns", "raises", "cannot tell"]
Answer = Literal["it happened", "it did not", "cannot tell"]


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
    retry_at: float | None = None
    erased: bool = False
    ended_at: float = 0.0
    history: tuple[tuple[int, str], ...] = ()

    def noting(self, outcome: str) -> Row:
        """Return the row with its attempt in the history."""
        return replace(self, history=(*self.history, (self.attempt, outcome)))


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller wants done about what it finds."""

    on_failed: str = "retry"
    on_abandoned: str = "raise"
    most: int | None = None
    verify: Answer | None = None


class ModelError(Exception):
    """What the service answers instead of a result: the name of its error."""


class ModelVerbs:
    """The verbs that finish, decide, reset or remove an execution by hand, without a database."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.now = 0.0
        self.claims = 0

    def is_abandoned(self, row: Row) -> bool:
        """Tell whether nobody knows the outcome."""
        if row.status == "running":
            return row.lease_end is not None and row.lease_end <= self.now
        return row.status == "failed" and row.unknown

    def _claimed(self, row: Row, lease: float | None) -> Row:
        self.claims += 1
        displaced = row.noting("abandoned") if row.status == "running" else row
        return replace(
            displaced,
            status="running",
            attempt=row.attempt + 1,
            claim=self.claims,
            lease_end=None if lease is None else self.now + lease,
            unknown=False,
            retry_at=None,
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
            retry_at=None,
            ended_at=self.now,
        )

    def _failed(
        self, row: Row, *, retryable: bool, unknown: bool = False, delay: float | None = None
    ) -> Row:
        rejudged = row.status == "failed"  # its attempt has ended before
        noted = row if rejudged else row.noting("abandoned" if unknown else "failed")
        return replace(
            noted,
            status="failed",
            retryable=retryable,
            unknown=unknown,
            lease_end=None,
            retry_at=None if delay is None else self.now + delay,
            ended_at=self.now,
        )

    def create(self, key: str, new: Row) -> None:
        """Register a pending execution."""
        if key in self.rows:
            raise ModelError("ExecutionExistsError")
        self.rows[key] = new

    def wait(self, key: str) -> str:
        """Tell how it stands where it has ended, or nobody may end it."""
        row = self._found(key)
        if row.status in {"completed", "failed"} or self.is_abandoned(row):
            return row.status
        raise ModelError("ExecutionInProgressError")

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
        self.rows[key] = self._completed(self._fenced(row, claim), result)

    def mark_failed(
        self, key: str, claim: int | None, *, retryable: bool, delay: float | None
    ) -> None:
        """Store a failure."""
        row = self._found(key)
        self._check_finish(row, claim)
        fenced = self._fenced(row, claim)
        self.rows[key] = self._failed(fenced, retryable=retryable, delay=delay)

    def _check_finish(self, row: Row, claim: int | None) -> None:
        if claim is not None:
            undecided = row.status == "failed" and row.unknown
            _legal((row.status == "running" or undecided) and row.claim == claim)
        else:
            _legal(row.status == "pending" or self._is_free(row))

    def _fenced(self, row: Row, claim: int | None) -> Row:
        """Fence off whoever held the claim, unless it is the holder who writes."""
        return row if claim is not None and row.status == "running" else replace(row, claim=0)

    def _is_free(self, row: Row) -> bool:
        return row.status == "running" and (row.lease_end is None or row.lease_end <= self.now)

    def resolve(self, key: str, result: Any) -> None:
        """Decide that it happened, with this result."""
        row = self._found(key)
        if row.status == "completed":
            _legal(not row.erased and row.result == result)
            return
        _legal(self._is_free(row) or self.is_abandoned(row))
        self.rows[key] = self._completed(replace(row, claim=0), result)

    def resolve_as_failed(self, key: str) -> None:
        """Decide that it did not happen."""
        row = self._found(key)
        _legal(self._is_free(row) or self.is_abandoned(row))
        self.rows[key] = self._failed(replace(row, claim=0), retryable=True)

    def reset(self, key: str) -> None:
        """Make it pending again."""
        row = self._found(key)
        _legal(row.status == "failed" or self._is_free(row))
        noted = row.noting("abandoned") if row.status == "running" else row
        cleared = {"unknown": False, "lease_end": None, "claim": 0, "retry_at": None}
        self.rows[key] = replace(noted, status="pending", **cleared)

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

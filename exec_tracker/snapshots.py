"""Turn rows into snapshots, the same from every driver."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from exec_tracker.models.rows import COLUMN_NAMES, TIME_COLUMNS
from exec_tracker.types import (
    AttemptOutcome,
    Execution,
    ExecutionActor,
    ExecutionAttempt,
    ExecutionResult,
    ExecutionStatus,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

_JSON = ("result", "parameters", "error")
_STATUSES = {str(status): status for status in ExecutionStatus}
_parse = json.JSONDecoder().raw_decode

# The same users come again and again, and a claim's token when it is completed.
_uuid = lru_cache(maxsize=256)(UUID)

# Up to the year 2242 the binary fractions lie close enough to tell microseconds.
_EXACT = 2.0**33
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


_READ_AT_ONCE = (
    "id",
    "workflow_id",
    "user_id",
    "status",
    "result",
    "attempt",
    "fingerprint",
    "erased_at",
    "trace_context",
)
_read_at_once = itemgetter(*(COLUMN_NAMES.index(name) for name in _READ_AT_ONCE))
_CLAIM_TOKEN = COLUMN_NAMES.index("claim_token")


class StoredRow:
    """An EXECUTION_ROW, of which only that is read which nearly every call looks at.

    A whole snapshot takes a quarter of the Python of a call, and most calls want its result alone.
    """

    __slots__ = (
        "_execution",
        "_row",
        "attempt",
        "erased_at",
        "fingerprint",
        "id",
        "result_json",
        "status",
        "trace_context",
        "user_id",
        "workflow_id",
    )

    def __init__(self, row: Sequence[Any]) -> None:
        """Keep the row for whoever wants more."""
        self._row = row
        self._execution: Execution | None = None
        self.id: str
        self.workflow_id: str
        self.result_json: str | None
        self.fingerprint: str | None
        self.trace_context: str | None
        (
            self.id,
            self.workflow_id,
            user_id,
            status,
            self.result_json,
            attempt,
            self.fingerprint,
            self.erased_at,
            self.trace_context,
        ) = _read_at_once(row)
        self.user_id: UUID = _uuid(user_id)
        self.status = _STATUSES[status]
        self.attempt = int(attempt)

    @property
    def claim_token(self) -> UUID | None:
        """Whose claim it is."""
        token = self._row[_CLAIM_TOKEN]
        return None if token is None else _uuid(token)

    @property
    def is_abandoned(self) -> bool:
        """Whether its outcome is unknown."""
        return self.execution().is_abandoned

    @property
    def error(self) -> dict[str, Any] | None:
        """What is stored of its failure."""
        return self.execution().error

    @property
    def retry_at(self) -> datetime | None:
        """When it may be run again."""
        return self.execution().retry_at

    @property
    def observed_at(self) -> datetime:
        """When it was read."""
        return self.execution().observed_at

    def execution(self) -> Execution:
        """Return the whole snapshot."""
        if self._execution is None:
            self._execution = snapshot(self._row)
        return self._execution


Seen = Execution | StoredRow


def execution_of(seen: Seen) -> Execution:
    """Return the whole snapshot of what was seen."""
    return seen.execution() if isinstance(seen, StoredRow) else seen


def result_of(data: T, seen: Seen, *, cached: bool) -> ExecutionResult[T]:
    """Return an outcome together with the row that it was read from."""
    if isinstance(seen, StoredRow):
        return ExecutionResult.of_row(data, seen.execution, cached=cached)
    return ExecutionResult(data, cached, seen)


def snapshot(row: Sequence[str | None]) -> Execution:
    """Build a snapshot from an EXECUTION_ROW, without validating it again."""
    values: dict[str, Any] = dict(zip(COLUMN_NAMES, row, strict=True))
    values["_result_json"] = values["result"]
    for name in _JSON:
        if (text := values[name]) is not None:
            values[name] = _parse(text)[0]
    for name in TIME_COLUMNS:
        if (seconds := values[name]) is not None:
            values[name] = moment(seconds)
    values["user_id"] = _uuid(values["user_id"])
    if (token := values["claim_token"]) is not None:
        values["claim_token"] = _uuid(token)
    values["attempt"] = int(values["attempt"])
    values["status"] = _STATUSES[values["status"]]
    if (actor := values["actor"]) is not None:
        values["actor"] = ExecutionActor(actor)
    return _constructed(values)


def moment(seconds: str) -> datetime:
    """Read seconds since 1970; what Python's calendar cannot hold is its first or last moment."""
    if 0 <= (number := float(seconds)) < _EXACT:
        return datetime.fromtimestamp(number, UTC)
    try:
        return _EPOCH + timedelta(microseconds=int(Decimal(seconds) * 1_000_000))
    except OverflowError:
        return _EARLIEST if number < 0 else _LATEST


_FIELDS = frozenset(Execution.model_fields)


def _constructed(values: dict[str, Any]) -> Execution:
    """Do what `Execution.model_construct` does, at a fifth of its cost: every field has a value."""
    execution = Execution.__new__(Execution)
    _set(execution, "__dict__", values)
    _set(execution, "__pydantic_fields_set__", set(_FIELDS))
    _set(execution, "__pydantic_extra__", None)
    _set(execution, "__pydantic_private__", None)
    return execution


_set = object.__setattr__  # past the model's own, which refuses changes


def attempt_snapshot(row: Sequence[Any]) -> ExecutionAttempt:
    """Build an attempt from a row of READ_ATTEMPTS."""
    execution_id, attempt, user_id, claimed_by, started_at, ended_at, outcome, error = row
    return ExecutionAttempt(
        execution_id=execution_id,
        attempt=attempt,
        user_id=user_id if isinstance(user_id, UUID) else UUID(str(user_id)),
        claimed_by=claimed_by,
        started_at=started_at and started_at.astimezone(UTC),
        ended_at=ended_at.astimezone(UTC),
        outcome=AttemptOutcome(outcome),
        error=None if error is None else json.loads(error),
    )

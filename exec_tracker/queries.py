"""List executions: newest first, one ordered index scan each, in pages that inserts do not move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import (
    Text,
    and_,
    cast,
    extract,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import array

from exec_tracker.models import OUTCOME_UNKNOWN
from exec_tracker.models import WorkflowExecution as Row
from exec_tracker.models.rows import COLUMN_NAMES, TIME_COLUMNS
from exec_tracker.snapshots import snapshot
from exec_tracker.types import ExecutionActor, ExecutionStatus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from sqlalchemy import ColumnElement, CompoundSelect
    from sqlalchemy.orm import Session

    from exec_tracker.types import Execution

_NEWEST = (Row.created_at.desc(), Row.id.desc())

# A bound for a listing that nobody has asked to be longer: it is built in memory.
MAX_LIMIT = 1000


class Filters(TypedDict, total=False):
    """What a listing can be narrowed by; `before` is the last snapshot of the last page."""

    user_id: UUID | str | None
    workflow_id: str | None
    status: ExecutionStatus | str | None
    actor: ExecutionActor | str | None
    since: datetime | None
    until: datetime | None
    before: Execution | None


def list_executions(session: Session, *, limit: int, **filters: Unpack[Filters]) -> list[Execution]:
    """List what matches all filters, newest first."""
    unknown = filters.keys() - Filters.__optional_keys__
    if unknown:
        raise TypeError(
            f"unknown filter {min(unknown)!r}; there are {', '.join(Filters.__annotations__)}"
        )
    status, actor = filters.get("status"), filters.get("actor")
    conditions = _equal(
        user_id=check_user(filters.get("user_id")),
        workflow_id=filters.get("workflow_id"),
        status=None if status is None else ExecutionStatus(status),
        actor=None if actor is None else ExecutionActor(actor),
    )
    since, until, before = filters.get("since"), filters.get("until"), filters.get("before")
    if since is not None:
        conditions.append(Row.created_at >= since)
    if until is not None:
        conditions.append(Row.created_at < until)
    if before is not None:
        conditions.append(tuple_(Row.created_at, Row.id) < (before.created_at, before.id))
    return _newest(session, conditions, limit)


def find_abandoned(
    session: Session,
    *,
    limit: int,
    user_id: UUID | str | None = None,
    workflow_id: str | None = None,
    before: Execution | None = None,
) -> list[Execution]:
    """List executions whose outcome is unknown, newest first.

    What is read is what runs, and of what failed only those whose outcome is unknown.
    """
    conditions = _equal(user_id=check_user(user_id), workflow_id=workflow_id)
    if before is not None:
        conditions.append(tuple_(Row.created_at, Row.id) < (before.created_at, before.id))
    newest = _abandoned(Row.id, limit, conditions, ordered=True)
    return _newest(session, [Row.id.in_(newest)], limit)


def count_abandoned(session: Session, *, limit: int, timeout: timedelta) -> int:
    """Count executions whose outcome is unknown, up to `limit` and for as long as `timeout`.

    The limit ends the scan early where there are many; the timeout where there are few among very
    many that failed. It is the transaction's own, and is gone with it.
    """
    milliseconds = max(int(timeout.total_seconds() * 1000), 1)
    session.execute(select(func.set_config("statement_timeout", f"{milliseconds}ms", True)))
    some = _abandoned(literal(1), limit).limit(limit).subquery()
    return session.execute(select(func.count()).select_from(some)).scalar_one()


def count_by_status(
    session: Session, *, user_id: UUID | str | None = None
) -> dict[ExecutionStatus, int]:
    """Count executions per status, statuses without any included."""
    rows = session.execute(
        select(Row.status, func.count())
        .where(*_equal(user_id=check_user(user_id)))
        .group_by(Row.status)
    )
    counted = {ExecutionStatus(status): count for status, count in rows}
    return {status: counted.get(status, 0) for status in ExecutionStatus}


def check_limit(limit: int) -> int:
    """Return a usable limit, or raise ValueError."""
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"limit must be between 1 and {MAX_LIMIT}, not {limit}")
    return limit


def check_user(user_id: UUID | str | None) -> UUID | None:
    """Return the user's id as a UUID, or raise ValueError; None stays everybody."""
    try:
        return UUID(user_id) if isinstance(user_id, str) else user_id
    except ValueError:
        raise ValueError(f"user_id must be a UUID, not {user_id!r}") from None


def _abandoned(
    what: Any,
    limit: int,
    conditions: Iterable[ColumnElement[bool]] = (),
    *,
    ordered: bool = False,
) -> CompoundSelect[Any]:
    """Select from the executions whose outcome is unknown, of either kind up to a limit."""
    expired = and_(
        Row.status == literal_column("'running'"), Row.lease_expires_at <= func.clock_timestamp()
    )
    kinds = [
        select(what).select_from(Row).where(*conditions, kind).limit(check_limit(limit))
        for kind in (expired, OUTCOME_UNKNOWN)
    ]
    return union_all(*(kind.order_by(*_NEWEST) for kind in kinds) if ordered else kinds)


def _equal(**filters: Any) -> list[ColumnElement[bool]]:
    return [
        getattr(Row, name) == (str(value) if isinstance(value, str) else value)
        for name, value in filters.items()
        if value is not None
    ]


def _newest(
    session: Session, conditions: Iterable[ColumnElement[bool]], limit: int
) -> list[Execution]:
    row: Any = array([_as_text(name) for name in COLUMN_NAMES])
    page = select(row).where(*conditions).order_by(*_NEWEST).limit(check_limit(limit))
    return [snapshot(row) for row in session.scalars(page)]


def _as_text(name: str) -> ColumnElement[str]:
    value: Any = func.clock_timestamp() if name == "observed_at" else getattr(Row, name)
    return cast(extract("epoch", value) if name in TIME_COLUMNS else value, Text)

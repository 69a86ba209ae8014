"""Write a statement in one driver's parameter style, with the parts that several share."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import text

from exec_tracker.models.functions import (
    CLAIM_FUNCTION,
    CLAIM_SIGNATURE,
    COMPLETE_FUNCTION,
    COMPLETE_SIGNATURE,
    IS_RUNNING,
)
from exec_tracker.models.rows import EXECUTION_ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Dialect


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One SQL statement; names in braces stand for the qualified tables and the shared parts."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A statement in one driver's parameter style, and what arranges its parameters for it."""

    sql: str
    arguments: Callable[[dict[str, Any]], Any]


_SHARED = {
    "row": EXECUTION_ROW,
    "running": IS_RUNNING,
    # Bounds the wait for another transaction on the same key, and has the commit flushed to disk
    # even for a role with synchronous_commit = off: a claim lost in a server crash would let the
    # effect happen again. Stronger settings are left as they are. Local to the statement.
    "setting": """setting AS MATERIALIZED (
    SELECT set_config('lock_timeout', CAST(:lock_timeout AS text), true),
           CASE WHEN current_setting('synchronous_commit') = 'off'
                THEN set_config('synchronous_commit', 'on', true) END
)""",
    # The row is still what was decided upon, and no lease is live; found by its key, as IS_RUNNING
    # says. The server evaluates this again
    # on the newest row once it has the lock, so that a heartbeat which renewed an expired lease
    # meanwhile is seen.
    "unchanged": """e.id = CAST(:id AS text)
        AND e.status || '' = CAST(:seen_status AS text)
        AND e.attempt = CAST(:seen_attempt AS integer)
        AND e.claim_token IS NOT DISTINCT FROM CAST(:seen_token AS uuid)
        AND (e.status <> 'running' OR e.lease_expires_at IS NULL
             OR e.lease_expires_at <= clock_timestamp())""",
    # The claim is still mine; an expired lease does not matter while the token stands.
    "mine": f"""e.id = CAST(:id AS text)
        AND e.claim_token = CAST(:token AS uuid)
        AND {IS_RUNNING}""",
    "lease_end": "clock_timestamp() + CAST(:lease AS double precision) * interval '1 second'",
    "completed": """status = 'completed', result = CAST(CAST(:result AS text) AS jsonb),
            completed_at = clock_timestamp(), lease_expires_at = NULL, error = NULL,
            error_message = NULL, retry_at = NULL, erased_at = NULL""",
    "failed": """status = 'failed', error_message = CAST(:error_message AS text),
            error = CAST(CAST(:error AS text) AS jsonb), completed_at = clock_timestamp(),
            lease_expires_at = NULL, result = NULL,
            retry_at = clock_timestamp()
                       + CAST(:retry_delay AS double precision) * interval '1 second'""",
    # The attempt that ended with this failure; a failure that is only re-judged has ended before.
    "failed_history": """history AS (
    INSERT INTO {attempts}
           (execution_id, attempt, user_id, claimed_by, started_at, ended_at, outcome, error)
    SELECT e.id, e.attempt, e.user_id, e.claimed_by, e.started_at, e.completed_at,
           CAST(:outcome AS text), CAST(CAST(:history_error AS text) AS jsonb)
      FROM e WHERE CAST(:seen_status AS text) <> 'failed'
)""",
    # The claim that was displaced: its attempt ended with its outcome unknown.
    "abandoned_history": """history AS (
    INSERT INTO {attempts}
           (execution_id, attempt, user_id, claimed_by, started_at, ended_at, outcome, error)
    SELECT e.id, CAST(:seen_attempt AS integer), e.user_id, CAST(:seen_claimed_by AS text),
           CAST(CAST(:seen_started_at AS text) AS timestamptz), clock_timestamp(), 'abandoned',
           CAST(CAST(:history_error AS text) AS jsonb)
      FROM e WHERE CAST(:seen_status AS text) = 'running'
)""",
}


# By the dialect, which must not be kept alive by it: with a dialect goes its engine, whose pool may
# have open connections.
_rendered: WeakKeyDictionary[Dialect, dict[tuple[Statement, str | None], Rendered]] = (
    WeakKeyDictionary()
)


def render(statement: Statement, dialect: Dialect, schema: str | None) -> Rendered:
    """Write a statement for one dialect and schema; without a schema, search_path decides."""
    known = _rendered.get(dialect)
    if known is None:
        known = _rendered.setdefault(dialect, {})
    rendered = known.get((statement, schema))
    if rendered is None:
        rendered = known[statement, schema] = _render(statement, dialect, schema)
    return rendered


def _render(statement: Statement, dialect: Dialect, schema: str | None) -> Rendered:
    prefix = f"{dialect.identifier_preparer.quote_identifier(schema)}." if schema else ""
    names = {
        "executions": f"{prefix}workflow_executions",
        "attempts": f"{prefix}workflow_execution_attempts",
        "claim_function": f"{prefix}{CLAIM_FUNCTION}",
        "complete_function": f"{prefix}{COMPLETE_FUNCTION}",
        "claim_signature": f"{prefix}{CLAIM_SIGNATURE}",
        "complete_signature": f"{prefix}{COMPLETE_SIGNATURE}",
    }
    shared = {name: part.format(**names) for name, part in _SHARED.items()}
    compiled = text(statement.sql.format(**names, **shared)).compile(dialect=dialect)
    return Rendered(str(compiled), _arranging(getattr(compiled, "positiontup", None)))


def _arranging(order: Sequence[str] | None) -> Callable[[dict[str, Any]], Any]:
    if order is None:  # by their names
        return lambda parameters: parameters
    if len(order) == 1:
        return lambda parameters: (parameters[order[0]],)
    return itemgetter(*order) if order else lambda _: ()

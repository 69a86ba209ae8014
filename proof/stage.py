"""The row under the one key: set up for each schedule, and looked at from outside."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg2
from sqlalchemy import text

from exec_tracker.types import ExecuteOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "proof"
WORKFLOW = "payments"
LEASE_SECONDS = 60.0
OWNER_TOKEN = UUID(int=0xFACE)
PARAMETERS: Mapping[str, Any] = {"amount": 1}

_FAILURE = '{"type": "Declined", "retryable": %s, "outcome_unknown": %s}'
# Each starting state: the columns in which it differs from an empty row.
STATES: Mapping[str, Mapping[str, Any] | None] = {
    "absent": None,
    "pending": {"status": "pending"},
    "running, live": {"status": "running", "attempt": 1, "lease": LEASE_SECONDS},
    "running, expired": {"status": "running", "attempt": 1, "lease": -1.0},
    "failed, retryable": {
        "status": "failed",
        "attempt": 1,
        "error": _FAILURE % ("true", "false"),
    },
    "failed, final": {"status": "failed", "attempt": 1, "error": _FAILURE % ("false", "false")},
    "failed, unknown": {"status": "failed", "attempt": 1, "error": _FAILURE % ("false", "true")},
    "completed": {"status": "completed", "attempt": 1, "result": '{"by": "before"}'},
}

_CLEAR = """
DELETE FROM workflow_executions WHERE id = %(id)s;
DELETE FROM workflow_execution_attempts WHERE execution_id = %(id)s;
DELETE FROM proof_effects;
"""
_INSERT = """
INSERT INTO workflow_executions
       (id, workflow_id, user_id, status, attempt, claim_token, lease_expires_at, started_at,
        completed_at, result, error, error_message, fingerprint, created_at)
SELECT %(id)s, %(workflow)s, %(user)s, %(status)s, %(attempt)s, %(token)s,
       clock_timestamp() + %(lease)s * interval '1 second',
       CASE WHEN %(attempt)s > 0 THEN clock_timestamp() - interval '2 s' END,
       CASE WHEN %(status)s IN ('completed', 'failed') THEN clock_timestamp() - interval '1 s' END,
       %(result)s, %(error)s, CASE WHEN %(status)s = 'failed' THEN 'declined' END,
       %(fingerprint)s, clock_timestamp() - interval '3 s';
INSERT INTO workflow_execution_attempts
       (execution_id, attempt, user_id, ended_at, outcome)
SELECT id, attempt, user_id, completed_at,
       CASE WHEN (error -> 'outcome_unknown')::bool THEN 'abandoned' ELSE 'failed' END
  FROM workflow_executions WHERE id = %(id)s AND status = 'failed';
"""
_LOOK = """
SELECT (SELECT to_jsonb(e) FROM workflow_executions AS e WHERE e.id = %(id)s),
       (SELECT e.lease_expires_at > clock_timestamp()
          FROM workflow_executions AS e WHERE e.id = %(id)s),
       (SELECT array_agg(a.attempt || ' ' || a.outcome ORDER BY a.id)
          FROM workflow_execution_attempts AS a WHERE a.execution_id = %(id)s),
       (SELECT array_agg(who ORDER BY who) FROM proof_effects)
"""
_EFFECTS = "CREATE TABLE IF NOT EXISTS proof_effects (who text NOT NULL)"
# A vacuum that shortens a table locks everybody out of it for a moment: a turn of nobody's.
_QUIET = """
ALTER TABLE workflow_executions SET (vacuum_truncate = off, toast.vacuum_truncate = off);
ALTER TABLE workflow_execution_attempts SET (vacuum_truncate = off, toast.vacuum_truncate = off);
ALTER TABLE proof_effects SET (vacuum_truncate = off, toast.vacuum_truncate = off);
"""
_TIMES = ("created_at", "updated_at", "started_at", "completed_at", "lease_expires_at", "retry_at")


@dataclass(frozen=True, slots=True)
class Observation:
    """What everybody can see: the committed row, its history, and the effects in the database."""

    row: Mapping[str, Any] | None
    is_live: bool | None
    attempts: tuple[str, ...]
    effects: tuple[str, ...]

    @property
    def status(self) -> str:
        """The row's status; `absent` without one."""
        return str(self.row["status"]) if self.row else "absent"

    @property
    def token(self) -> str | None:
        """Whose claim stands, or stood last."""
        return self.row["claim_token"] if self.row else None

    @property
    def is_abandoned(self) -> bool:
        """Whether the outcome is unknown."""
        if self.row is None:
            return False
        if self.row["status"] == "running":
            return self.is_live is False
        return self.row["status"] == "failed" and bool(self.error.get("outcome_unknown"))

    @property
    def error(self) -> Mapping[str, Any]:
        """The stored failure's flags."""
        return (self.row or {}).get("error") or {}

    def essence(self) -> tuple[Any, ...]:
        """Return what is seen without times, to compare states of the search by."""
        if self.row is None:
            return (None, self.attempts, self.effects)
        kept = tuple(
            (name, (value is not None) if name in _TIMES else json.dumps(value, sort_keys=True))
            for name, value in sorted(self.row.items())
            if name not in {"parameters", "erased_at", "claimed_by"}
        )
        return (kept, self.is_live, self.attempts, self.effects)


@dataclass
class Stage:
    """The row's keeper: it writes before a schedule begins, and reads while it runs."""

    url: str
    user_id: UUID
    fingerprint: str = ""
    _connection: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Open the connection; triggers are off on it, since it sets up what has been."""
        self._connection = psycopg2.connect(self.url)
        self._connection.autocommit = True
        self._run(_EFFECTS + ";" + _QUIET)
        self._run("SET session_replication_role = replica")

    def options(self, **changes: Any) -> ExecuteOptions:
        """Return the request that everybody makes."""
        given = {"idempotency_key": KEY, "workflow_id": WORKFLOW, "user_id": self.user_id}
        return ExecuteOptions(**{**given, "parameters": dict(PARAMETERS), **changes})

    def set(self, state: str) -> None:
        """Put the row into a starting state."""
        columns = STATES[state]
        sql = _CLEAR if columns is None else _CLEAR + _INSERT
        defaults = {"attempt": 0, "lease": None, "result": None, "error": None, **(columns or {})}
        token = str(OWNER_TOKEN) if defaults["attempt"] else None
        known = {"id": KEY, "workflow": WORKFLOW, "user": str(self.user_id), "token": token}
        self._run(sql, **known, **defaults, fingerprint=self.fingerprint)

    def look(self) -> Observation:
        """See what is committed."""
        row, is_live, attempts, effects = self._run(_LOOK, id=KEY)[0]
        return Observation(row, is_live, tuple(attempts or ()), tuple(effects or ()))

    def add_effect(self, session: Any = None) -> None:
        """Make an effect happen: in a session's transaction, or at once."""
        insert = "INSERT INTO proof_effects (who) VALUES ('caller')"
        if session is not None:
            session.execute(text(insert))
        else:
            self._run(insert)

    def guard(self, *, enabled: bool) -> None:
        """Switch the database's own guard on or off, to see the protocol stand alone."""
        word = "ENABLE" if enabled else "DISABLE"
        self._run(f"ALTER TABLE workflow_executions {word} TRIGGER workflow_executions_guard")

    def definition(self, function: str) -> str:
        """Return the SQL that makes one of the schema's functions as it is."""
        return str(self._run("SELECT pg_get_functiondef(to_regproc(%(f)s))", f=function)[0][0])

    def define(self, sql: str) -> None:
        """Replace a function of the schema's by another definition of it."""
        self._run(sql)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _run(self, sql: str, **parameters: Any) -> list[Any]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []


def add_user(url: str) -> UUID:
    """Insert a user that rows may belong to."""
    user_id = uuid4()
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO auth.users (id) VALUES (%s)", (str(user_id),))
    connection.close()
    return user_id

"""The floor: psycopg2 on kept connections, running statements of the protocol's shape by hand."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Final
from uuid import uuid4

import psycopg2
import psycopg2.errors

from benchmarks.contenders.base import RESULT, USER_ID, Contender

_INSERT: Final = """
INSERT INTO workflow_executions
       (id, workflow_id, user_id, status, started_at, attempt, claim_token, lease_expires_at)
VALUES (%s, 'charge', %s, 'running', clock_timestamp(), 1, %s,
        clock_timestamp() + interval '60 s')
    ON CONFLICT (id) DO NOTHING
RETURNING attempt"""
_SELECT: Final = """
SELECT workflow_id, user_id, status, result FROM workflow_executions WHERE id = %s"""
_UPDATE: Final = """
UPDATE workflow_executions
   SET status = 'completed', result = %s, completed_at = clock_timestamp(),
       lease_expires_at = NULL
 WHERE id = %s AND claim_token = %s AND status || '' = 'running'"""


class InsertThenSelect(Contender):
    """A cursor per caller in autocommit; INSERT, then UPDATE, or INSERT, then SELECT."""

    def open(self, url: str, callers: int) -> None:
        """Connect every caller."""
        self._connections = [psycopg2.connect(url) for _ in range(callers)]
        for connection in self._connections:
            connection.autocommit = True
        self.cursors = [connection.cursor() for connection in self._connections]

    def fresh(self, caller: int, key: str) -> Any:
        """Claim, run, complete; or read."""
        cursor = self.cursors[caller]
        token = str(uuid4())
        cursor.execute(_INSERT, (key, USER_ID, token))
        if cursor.fetchone() is None:
            cursor.execute(_SELECT, (key,))
            return cursor.fetchone()[3]
        return self.complete(caller, key, token)

    def complete(self, caller: int, key: str, token: str) -> Any:
        """Run the function and store its result under the token."""
        result = self.work()
        self.cursors[caller].execute(_UPDATE, (json.dumps(result), key, token))
        return result

    def close(self) -> None:
        """Disconnect."""
        for connection in self._connections:
            connection.close()


_CTE: Final = f"""
WITH claimed AS ({_INSERT})
SELECT TRUE AS mine, NULL AS status, NULL::jsonb AS result FROM claimed
 UNION ALL
SELECT FALSE, status, result FROM workflow_executions WHERE id = %s
 LIMIT 1"""  # noqa: S608 # of constants


class InOneStatement(InsertThenSelect):
    """INSERT and SELECT in one statement, planned anew at every call."""

    def fresh(self, caller: int, key: str) -> Any:
        """Claim or read in one round trip."""
        cursor = self.cursors[caller]
        token = str(uuid4())
        cursor.execute(_CTE, (key, USER_ID, token, key))
        mine, _, result = cursor.fetchone()
        return self.complete(caller, key, token) if mine else result


_FUNCTION: Final = """
CREATE OR REPLACE FUNCTION benchmark_claim(key text, owner uuid, token uuid)
RETURNS TABLE (mine boolean, status text, result text) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO workflow_executions
           (id, workflow_id, user_id, status, started_at, attempt, claim_token, lease_expires_at)
    VALUES (key, 'charge', owner, 'running', clock_timestamp(), 1, token,
            clock_timestamp() + interval '60 s')
        ON CONFLICT (id) DO NOTHING;
    IF FOUND THEN
        RETURN QUERY SELECT TRUE, NULL, NULL;
    ELSE
        RETURN QUERY SELECT FALSE, e.status, e.result::text
                       FROM workflow_executions AS e WHERE e.id = key;
    END IF;
END $$"""
_COMPLETE: Final = """
CREATE OR REPLACE FUNCTION benchmark_complete(key text, token uuid, outcome text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE workflow_executions
       SET status = 'completed', result = outcome::jsonb, completed_at = clock_timestamp(),
           lease_expires_at = NULL
     WHERE id = key AND claim_token = token AND workflow_executions.status || '' = 'running';
    RETURN FOUND;
END $$"""


class InAFunction(InsertThenSelect):
    """Functions in the schema, whose plans each session caches."""

    def open(self, url: str, callers: int) -> None:
        """Make the functions, and connect."""
        super().open(url, callers)
        for definition in (_FUNCTION, _COMPLETE):
            # Another lane may be making them at this moment.
            with contextlib.suppress(
                psycopg2.errors.InternalError_, psycopg2.errors.UniqueViolation
            ):
                self.cursors[0].execute(definition)

    def fresh(self, caller: int, key: str) -> Any:
        """Claim or read in one round trip, and complete in another."""
        cursor = self.cursors[caller]
        token = str(uuid4())
        cursor.execute("SELECT * FROM benchmark_claim(%s, %s, %s)", (key, USER_ID, token))
        mine, _, result = cursor.fetchone()
        if not mine:
            return json.loads(result)
        outcome = self.work()
        cursor.execute("SELECT benchmark_complete(%s, %s, %s)", (key, token, json.dumps(outcome)))
        cursor.fetchone()
        return RESULT

"""The statements that claim and complete many keys at once.

Rows come in as one JSON text, so that the statement is the same for any number of them and for any
driver. Locks are taken in the order of the keys: batches in opposite orders would deadlock.
"""

from exec_tracker.statements.rendering import Statement

# Insert a running row for every key that is free; the others are not returned.
CLAIM_MANY = Statement(
    "claim_many",
    """
WITH {setting}
INSERT INTO {executions} AS e
       (id, workflow_id, workflow_name, user_id, status, parameters, actor, started_at,
        attempt, claim_token, claimed_by, lease_expires_at, fingerprint, trace_context)
SELECT a.id, a.workflow_id, a.workflow_name, a.user_id, 'running', CAST(a.parameters AS jsonb),
       a.actor, clock_timestamp(), 1, a.token, a.claimed_by,
       clock_timestamp() + a.lease * interval '1 second', a.fingerprint, a.trace_context
  FROM setting, json_to_recordset(CAST(CAST(:rows AS text) AS json)) AS a(
       id text, workflow_id text, workflow_name text, user_id uuid, parameters text, actor text,
       fingerprint text, trace_context text, token uuid, claimed_by text, lease double precision)
 ORDER BY a.id
    ON CONFLICT (id) DO NOTHING
RETURNING {row}""",
)

# Read many executions by their keys, without a lock.
READ_MANY = Statement(
    "read_many",
    """
SELECT {row}
  FROM {executions} AS e
 WHERE e.id = ANY (ARRAY(SELECT json_array_elements_text(CAST(CAST(:ids AS text) AS json))))""",
)

# The rows whose claims still stand, locked in the order of their keys.
_HELD = """held AS MATERIALIZED (
    SELECT e.id, r.token, r.result
      FROM setting, {executions} AS e
      JOIN json_to_recordset(CAST(CAST(:rows AS text) AS json))
           AS r(id text, token uuid, result text)
        ON r.id = e.id AND r.token = e.claim_token
     WHERE {running}
     ORDER BY e.id
       FOR NO KEY UPDATE OF e%s
)"""
_ALL = _HELD % ""
_UNLOCKED = _HELD % " SKIP LOCKED"

_COMPLETE = """
WITH {setting}, %s
UPDATE {executions} AS e
   SET status = 'completed', result = CAST(held.result AS jsonb),
       completed_at = clock_timestamp(), lease_expires_at = NULL, error = NULL,
       error_message = NULL, retry_at = NULL, erased_at = NULL
  FROM held
 WHERE e.id = held.id AND e.claim_token = held.token AND {running}
RETURNING {row}"""

_FAIL = """
WITH {setting}, %s, e AS (
     UPDATE {executions} AS e
        SET {failed}
       FROM held
      WHERE e.id = held.id AND e.claim_token = held.token AND {running}
  RETURNING e.*
), {failed_history}
SELECT {row}
  FROM e"""

# Store each result under its claim's token; a row whose claim is gone is left alone, and is not
# returned.
COMPLETE_MANY = Statement("complete_many", _COMPLETE % _ALL)
# The same without the rows that another transaction has locked, which are not returned either.
COMPLETE_MANY_UNLOCKED = Statement("complete_many_unlocked", _COMPLETE % _UNLOCKED)

# Store the same failure under the token of each claim, and the ended attempts with it.
FAIL_MANY = Statement("fail_many", _FAIL % _ALL)
# The same without the rows that another transaction has locked.
FAIL_MANY_UNLOCKED = Statement("fail_many_unlocked", _FAIL % _UNLOCKED)

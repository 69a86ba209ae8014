"""The statements that make, read, take over and keep a claim."""

from exec_tracker.statements.rendering import Statement

# Insert a pending row, unless the key exists.
INSERT_EXECUTION = Statement(
    "insert_execution",
    """
WITH {setting}
INSERT INTO {executions} AS e
       (id, workflow_id, workflow_name, user_id, status, parameters, actor, fingerprint,
        trace_context)
SELECT CAST(:id AS text), CAST(:workflow_id AS text), CAST(:workflow_name AS text),
       CAST(:user_id AS uuid), 'pending', CAST(CAST(:parameters AS text) AS jsonb),
       CAST(:actor AS text), CAST(:fingerprint AS text), CAST(:trace_context AS text)
  FROM setting
    ON CONFLICT (id) DO NOTHING
RETURNING {row}""",
)

# Insert the row as running under the claim, unless the key exists: the unique index arbitrates.
# Where it exists the standing row is read, without a lock. A function of the schema does both in
# one round trip; NULL means that a purge came in between, or that the row may not be seen.
CLAIM_EXECUTION = Statement(
    "claim_execution",
    """
SELECT {claim_function}(
       CAST(:id AS text), CAST(:workflow_id AS text), CAST(:workflow_name AS text),
       CAST(:user_id AS uuid), CAST(:parameters AS text), CAST(:actor AS text),
       CAST(:fingerprint AS text), CAST(:trace_context AS text), CAST(:token AS uuid),
       CAST(:claimed_by AS text), CAST(:lease AS double precision),
       CAST(:lock_timeout AS text))""",
)

# Read one execution by its key, without a lock.
READ_EXECUTION = Statement(
    "read_execution",
    """
SELECT {row}
  FROM {executions} AS e
 WHERE e.id = CAST(:id AS text)""",
)

# Claim a row that exists for its next attempt; a claim that it displaces goes into the history.
TAKE_OVER = Statement(
    "take_over",
    """
WITH {setting}, e AS (
     UPDATE {executions} AS e
        SET status = 'running', attempt = e.attempt + CAST(:increment AS integer),
            claim_token = CAST(:token AS uuid), claimed_by = CAST(:claimed_by AS text),
            lease_expires_at = {lease_end},
            started_at = clock_timestamp(), completed_at = NULL,
            result = NULL, error = NULL, error_message = NULL, retry_at = NULL, erased_at = NULL,
            fingerprint = COALESCE(e.fingerprint, CAST(:fingerprint AS text)),
            trace_context = COALESCE(CAST(:trace_context AS text), e.trace_context)
       FROM setting
      WHERE {unchanged}
  RETURNING e.*
), {abandoned_history}
SELECT {row}
  FROM e""",
)

# Go on with one's own claim: renew its lease, and count an attempt where work begins only now.
CONTINUE_CLAIM = Statement(
    "continue_claim",
    """
WITH {setting}
     UPDATE {executions} AS e
        SET lease_expires_at = {lease_end},
            attempt = CAST(:attempt AS integer)
       FROM setting
      WHERE {mine}
  RETURNING {row}""",
)

# Renew claims as long as their tokens stand, expired or not. SKIP LOCKED: one row that the host
# has locked must not let the leases of all others lapse. In key order, so that renewals cannot
# deadlock. Arrays come as text: to look up another array's type, asyncpg sets `jit` in the session,
# and behind a pooler it is another client's session.
RENEW_LEASES = Statement(
    "renew_leases",
    """
WITH claims AS MATERIALIZED (
    SELECT c.id, c.token, c.lease
      FROM unnest(CAST(:ids AS text[]), CAST(CAST(:tokens AS text[]) AS uuid[]),
                  CAST(CAST(:leases AS text[]) AS double precision[])) AS c(id, token, lease)
), due AS MATERIALIZED (
    SELECT e.id, c.token, c.lease
      FROM {executions} AS e
      JOIN claims AS c ON c.id = e.id AND c.token = e.claim_token
     WHERE {running}
     ORDER BY e.id
       FOR NO KEY UPDATE OF e SKIP LOCKED
), renewed AS (
    UPDATE {executions} AS e
       SET lease_expires_at = clock_timestamp() + due.lease * interval '1 second'
      FROM due
     WHERE e.id = due.id AND e.claim_token = due.token AND {running}
 RETURNING e.id, e.claim_token
)
SELECT c.token,
       renewed.id IS NOT NULL AS renewed,
       (e.claim_token = c.token AND e.status = 'running') IS NOT TRUE AS lost
  FROM claims AS c
  LEFT JOIN renewed ON renewed.id = c.id AND renewed.claim_token = c.token
  LEFT JOIN {executions} AS e ON e.id = c.id""",
)

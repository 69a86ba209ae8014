"""The statements around the protocol: history, erasure, deletion, retention, schema, users."""

from exec_tracker.statements.rendering import Statement

# The ended, unsuccessful attempts of one execution, oldest first.
READ_ATTEMPTS = Statement(
    "read_attempts",
    """
SELECT a.execution_id, a.attempt, a.user_id, a.claimed_by, a.started_at, a.ended_at, a.outcome,
       a.error::text AS error
  FROM {attempts} AS a
 WHERE a.execution_id = CAST(:id AS text)
 ORDER BY a.attempt, a.id""",
)

# Blank what may be personal and keep the key used; a failure keeps the flags that decide about it.
ERASE_EXECUTION = Statement(
    "erase_execution",
    """
WITH {setting}, e AS (
     UPDATE {executions} AS e
        SET result = NULL, parameters = NULL, error_message = NULL,
            erased_at = COALESCE(e.erased_at, clock_timestamp()),
            error = CASE WHEN e.status = 'failed' THEN jsonb_build_object(
                'retryable', COALESCE(e.error -> 'retryable', 'true'),
                'outcome_unknown', COALESCE(e.error -> 'outcome_unknown', 'false')) END
       FROM setting
      WHERE e.id = CAST(:id AS text) AND e.status <> 'running'
  RETURNING e.*
), history AS (
    UPDATE {attempts} AS a SET error = NULL FROM e WHERE a.execution_id = e.id
)
SELECT {row}
  FROM e""",
)

# Delete one execution with its history, unless a lease is live.
DELETE_EXECUTION = Statement(
    "delete_execution",
    """
WITH {setting}
DELETE FROM {executions} AS e
 USING setting
 WHERE e.id = CAST(:id AS text)
   AND (e.status <> 'running' OR e.lease_expires_at IS NULL
        OR e.lease_expires_at <= clock_timestamp())
RETURNING e.id""",
)

# Delete one batch of ended executions past retention, skipping what others hold. created_at bounds
# the scan, since nothing completes before it was created; completed_at decides. The cutoff is a
# sub-select, which an index scan can begin and end with, and not a joined row, which it cannot: the
# last batch, which finds less than it asks for, would read the whole table.
PURGE_BATCH = Statement(
    "purge_batch",
    """
WITH cutoff AS MATERIALIZED (
    SELECT clock_timestamp()
           - CAST(:older_than AS double precision) * interval '1 second' AS at
), doomed AS MATERIALIZED (
    SELECT e.id
      FROM {executions} AS e
     WHERE e.status = ANY (CAST(:statuses AS text[]))
       AND e.created_at < (SELECT at FROM cutoff)
       AND e.completed_at < (SELECT at FROM cutoff)
     ORDER BY e.created_at
     LIMIT CAST(:batch_size AS integer)
       FOR UPDATE OF e SKIP LOCKED
)
DELETE FROM {executions} AS e
 USING doomed
 WHERE e.id = doomed.id
RETURNING e.id""",
)

# What the schema asks of a library, said in a comment that any role can read.
READ_SCHEMA_NOTE = Statement(
    "read_schema_note",
    """
SELECT to_regclass('{executions}') IS NOT NULL AND to_regclass('{attempts}') IS NOT NULL
       AND to_regprocedure('{claim_signature}') IS NOT NULL
       AND to_regprocedure('{complete_signature}') IS NOT NULL,
       obj_description(to_regclass('{attempts}'), 'pg_class')""",
)

# Register a user on a standalone database; the host's own users table is never written.
ENSURE_USER = Statement(
    "ensure_user",
    """
INSERT INTO auth.users (id) VALUES (CAST(:user_id AS uuid))
    ON CONFLICT (id) DO NOTHING
RETURNING id""",
)

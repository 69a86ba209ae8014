"""The claim and its completion as functions: one round trip each, planned once per backend.

The names carry a version: a later signature gets functions of its own beside these, so that old and
new libraries work side by side. The tables are named with their schema, wherever that is: under an
empty search path nobody's tables, functions or operators can come before them. Without sequential
scans, since a plan that was made for a table of a few rows is kept while the table grows. They
answer with the row as one array of texts: an answer of many columns costs more than it says.

Revision ID: 0007_exec_tracker_functions
Revises: 0006_exec_tracker_trace
"""

from alembic import op

from exec_tracker.migrations import revision as step

revision = "0007_exec_tracker_functions"
down_revision = "0006_exec_tracker_trace"
branch_labels = None
depends_on = None

UPGRADE = (
    """
DO $do$
BEGIN
    EXECUTE format($create$
CREATE FUNCTION %1$s.claim_workflow_execution_v1(
    p_id TEXT, p_workflow_id TEXT, p_workflow_name TEXT, p_user_id UUID, p_parameters TEXT,
    p_actor TEXT, p_fingerprint TEXT, p_trace_context TEXT, p_token UUID, p_claimed_by TEXT,
    p_lease DOUBLE PRECISION, p_lock_timeout TEXT
)
RETURNS TEXT[]
LANGUAGE plpgsql
SET search_path = ''
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    standing TEXT[];
BEGIN
    -- Bounds the wait for another transaction on the same key, and has the commit flushed to disk
    -- even for a role with synchronous_commit = off. Both end with the transaction.
    PERFORM set_config('lock_timeout', p_lock_timeout, true);
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    -- The unique index arbitrates: one caller inserts, all others read what stands.
    INSERT INTO %1$s.workflow_executions AS e
           (id, workflow_id, workflow_name, user_id, status, parameters, actor, started_at,
            attempt, claim_token, claimed_by, lease_expires_at, fingerprint, trace_context)
    VALUES (p_id, p_workflow_id, p_workflow_name, p_user_id, 'running', p_parameters::jsonb,
            p_actor, clock_timestamp(), 1, p_token, p_claimed_by,
            clock_timestamp() + p_lease * interval '1 second', p_fingerprint, p_trace_context)
        ON CONFLICT (id) DO NOTHING
    RETURNING ARRAY[
        CAST(e.id AS text),
        CAST(e.workflow_id AS text),
        CAST(e.workflow_name AS text),
        CAST(e.user_id AS text),
        CAST(e.status AS text),
        CAST(e.result AS text),
        CAST(e.error_message AS text),
        CAST(e.parameters AS text),
        CAST(e.actor AS text),
        CAST(EXTRACT(epoch FROM e.created_at) AS text),
        CAST(EXTRACT(epoch FROM e.updated_at) AS text),
        CAST(EXTRACT(epoch FROM e.started_at) AS text),
        CAST(EXTRACT(epoch FROM e.completed_at) AS text),
        CAST(e.attempt AS text),
        CAST(e.claim_token AS text),
        CAST(e.claimed_by AS text),
        CAST(EXTRACT(epoch FROM e.lease_expires_at) AS text),
        CAST(e.fingerprint AS text),
        CAST(EXTRACT(epoch FROM e.retry_at) AS text),
        CAST(EXTRACT(epoch FROM e.erased_at) AS text),
        CAST(e.error AS text),
        CAST(e.trace_context AS text),
        CAST(EXTRACT(epoch FROM clock_timestamp()) AS text)] INTO standing;
    IF NOT FOUND THEN
        SELECT ARRAY[
        CAST(e.id AS text),
        CAST(e.workflow_id AS text),
        CAST(e.workflow_name AS text),
        CAST(e.user_id AS text),
        CAST(e.status AS text),
        CAST(e.result AS text),
        CAST(e.error_message AS text),
        CAST(e.parameters AS text),
        CAST(e.actor AS text),
        CAST(EXTRACT(epoch FROM e.created_at) AS text),
        CAST(EXTRACT(epoch FROM e.updated_at) AS text),
        CAST(EXTRACT(epoch FROM e.started_at) AS text),
        CAST(EXTRACT(epoch FROM e.completed_at) AS text),
        CAST(e.attempt AS text),
        CAST(e.claim_token AS text),
        CAST(e.claimed_by AS text),
        CAST(EXTRACT(epoch FROM e.lease_expires_at) AS text),
        CAST(e.fingerprint AS text),
        CAST(EXTRACT(epoch FROM e.retry_at) AS text),
        CAST(EXTRACT(epoch FROM e.erased_at) AS text),
        CAST(e.error AS text),
        CAST(e.trace_context AS text),
        CAST(EXTRACT(epoch FROM clock_timestamp()) AS text)] INTO standing
          FROM %1$s.workflow_executions AS e
         WHERE e.id = claim_workflow_execution_v1.p_id;
    END IF;
    RETURN standing;
END;
$$
$create$, (
        SELECT quote_ident(n.nspname)
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid = to_regclass('workflow_executions')
    ));
END
$do$
""",
    """
DO $do$
BEGIN
    EXECUTE format($create$
CREATE FUNCTION %1$s.complete_workflow_execution_v1(
    p_id TEXT, p_token UUID, p_result TEXT, p_lock_timeout TEXT
)
RETURNS TEXT[]
LANGUAGE plpgsql
SET search_path = ''
SET enable_seqscan = off
AS $$
#variable_conflict use_variable
DECLARE
    standing TEXT[];
BEGIN
    -- Bounds the wait for another transaction on the same key, and has the commit flushed to disk
    -- even for a role with synchronous_commit = off. Both end with the transaction.
    PERFORM set_config('lock_timeout', p_lock_timeout, true);
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    -- The token is the fence: NULL, where the claim was taken over or decided meanwhile. The status
    -- is concatenated so that no planner finds the row by it: the index on statuses still has every
    -- row that was running since the last vacuum.
    UPDATE %1$s.workflow_executions AS e
       SET status = 'completed', result = p_result::jsonb, completed_at = clock_timestamp(),
           lease_expires_at = NULL, error = NULL, error_message = NULL, retry_at = NULL,
           erased_at = NULL
     WHERE e.id = p_id AND e.claim_token = p_token AND e.status || '' = 'running'
    RETURNING ARRAY[
        CAST(e.id AS text),
        CAST(e.workflow_id AS text),
        CAST(e.workflow_name AS text),
        CAST(e.user_id AS text),
        CAST(e.status AS text),
        CAST(e.result AS text),
        CAST(e.error_message AS text),
        CAST(e.parameters AS text),
        CAST(e.actor AS text),
        CAST(EXTRACT(epoch FROM e.created_at) AS text),
        CAST(EXTRACT(epoch FROM e.updated_at) AS text),
        CAST(EXTRACT(epoch FROM e.started_at) AS text),
        CAST(EXTRACT(epoch FROM e.completed_at) AS text),
        CAST(e.attempt AS text),
        CAST(e.claim_token AS text),
        CAST(e.claimed_by AS text),
        CAST(EXTRACT(epoch FROM e.lease_expires_at) AS text),
        CAST(e.fingerprint AS text),
        CAST(EXTRACT(epoch FROM e.retry_at) AS text),
        CAST(EXTRACT(epoch FROM e.erased_at) AS text),
        CAST(e.error AS text),
        CAST(e.trace_context AS text),
        CAST(EXTRACT(epoch FROM clock_timestamp()) AS text)] INTO standing;
    RETURN standing;
END;
$$
$create$, (
        SELECT quote_ident(n.nspname)
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid = to_regclass('workflow_executions')
    ));
END
$do$
""",
    """
REVOKE ALL ON FUNCTION claim_workflow_execution_v1, complete_workflow_execution_v1
    FROM PUBLIC, anon, authenticated, service_role
""",
    """
GRANT EXECUTE ON FUNCTION claim_workflow_execution_v1, complete_workflow_execution_v1
    TO service_role
""",
)

DOWNGRADE = (
    "DROP FUNCTION claim_workflow_execution_v1",
    "DROP FUNCTION complete_workflow_execution_v1",
)


def upgrade() -> None:
    """Create the functions; only the service may call them."""
    step.wait_briefly_for_locks()
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    step.wait_briefly_for_locks()
    for statement in DOWNGRADE:
        op.execute(statement)

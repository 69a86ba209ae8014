"""The claim and its completion as functions: one round trip each, planned once per backend.

A driver that keeps no prepared statements, as behind a transaction pooler, has the server plan a
statement at every call; what a function runs is planned once. The name carries a version: a later
signature gets a function of its own beside it, so that old and new libraries work side by side.
"""

from __future__ import annotations

from typing import Final

from exec_tracker.models.rows import EXECUTION_ROW

__all__ = [
    "CLAIM_FUNCTION",
    "CLAIM_PARAMETERS",
    "CLAIM_SIGNATURE",
    "COMPLETE_FUNCTION",
    "COMPLETE_PARAMETERS",
    "COMPLETE_SIGNATURE",
    "CREATE_FUNCTIONS",
    "DROP_FUNCTIONS",
    "FUNCTION_GRANTS",
    "IS_RUNNING",
]

CLAIM_FUNCTION: Final = "claim_workflow_execution_v1"
COMPLETE_FUNCTION: Final = "complete_workflow_execution_v1"

CLAIM_SIGNATURE: Final = (
    f"{CLAIM_FUNCTION}(text, text, text, uuid, text, text, text, text, uuid, text, "
    "double precision, text)"
)
COMPLETE_SIGNATURE: Final = f"{COMPLETE_FUNCTION}(text, uuid, text, text)"

IS_RUNNING: Final = "e.status || '' = 'running'"
"""Beside a key, so that no planner finds the row by its status instead.

The partial index on statuses still has an entry for every row that was running since the last
vacuum. To a planner that thinks few are running it costs as little as the key, and it would read
them all.
"""

_SETTINGS: Final = """
    -- Bounds the wait for another transaction on the same key, and has the commit flushed to disk
    -- even for a role with synchronous_commit = off. Both end with the transaction.
    PERFORM set_config('lock_timeout', p_lock_timeout, true);
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;"""

# The tables are named with their schema, wherever that is: under an empty search path nobody's
# tables, functions or operators can come before them. Without sequential scans, since a plan is
# kept for as long as the connection: one made for a table of a few rows would read all of it, and
# go on doing so while it grows, until it is analysed.
_CREATE: Final = """
DO $do$
BEGIN
    EXECUTE format($create$
CREATE OR REPLACE FUNCTION {schema}.{name}(
{parameters}
)
RETURNS TEXT[]
LANGUAGE plpgsql
SET search_path = ''
SET enable_seqscan = off
AS $$
#variable_conflict {conflict}
DECLARE
    standing TEXT[];
BEGIN{settings}
{body}
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
"""


def _create(name: str, parameters: str, body: str, conflict: str) -> str:
    return _CREATE.format(
        schema="%1$s",
        name=name,
        parameters=parameters,
        settings=_SETTINGS,
        body=body.replace("{row}", EXECUTION_ROW).replace("{running}", IS_RUNNING),
        conflict=conflict,
    )


CLAIM_PARAMETERS: Final = """\
    p_id TEXT, p_workflow_id TEXT, p_workflow_name TEXT, p_user_id UUID, p_parameters TEXT,
    p_actor TEXT, p_fingerprint TEXT, p_trace_context TEXT, p_token UUID, p_claimed_by TEXT,
    p_lease DOUBLE PRECISION, p_lock_timeout TEXT"""

_CLAIM: Final = _create(
    CLAIM_FUNCTION,
    CLAIM_PARAMETERS,
    """\
    -- The unique index arbitrates: one caller inserts, all others read what stands.
    INSERT INTO %1$s.workflow_executions AS e
           (id, workflow_id, workflow_name, user_id, status, parameters, actor, started_at,
            attempt, claim_token, claimed_by, lease_expires_at, fingerprint, trace_context)
    VALUES (p_id, p_workflow_id, p_workflow_name, p_user_id, 'running', p_parameters::jsonb,
            p_actor, clock_timestamp(), 1, p_token, p_claimed_by,
            clock_timestamp() + p_lease * interval '1 second', p_fingerprint, p_trace_context)
        ON CONFLICT (id) DO NOTHING
    RETURNING {row} INTO standing;
    IF NOT FOUND THEN
        SELECT {row} INTO standing
          FROM %1$s.workflow_executions AS e
         WHERE e.id = claim_workflow_execution_v1.p_id;
    END IF;""",
    # ON CONFLICT (id) means the column. No other name of ours is bare where a column could be
    # meant: a host may add columns of any name.
    "use_column",
)

COMPLETE_PARAMETERS: Final = "    p_id TEXT, p_token UUID, p_result TEXT, p_lock_timeout TEXT"

_COMPLETE: Final = _create(
    COMPLETE_FUNCTION,
    COMPLETE_PARAMETERS,
    """\
    -- The token is the fence: NULL, where the claim was taken over or decided meanwhile. The status
    -- is concatenated so that no planner finds the row by it: the index on statuses still has every
    -- row that was running since the last vacuum.
    UPDATE %1$s.workflow_executions AS e
       SET status = 'completed', result = p_result::jsonb, completed_at = clock_timestamp(),
           lease_expires_at = NULL, error = NULL, error_message = NULL, retry_at = NULL,
           erased_at = NULL
     WHERE e.id = p_id AND e.claim_token = p_token AND {running}
    RETURNING {row} INTO standing;""",
    "use_variable",
)

CREATE_FUNCTIONS: Final = (_CLAIM, _COMPLETE)

# Without these everybody could call them; what a caller may do in there is up to its own rights.
FUNCTION_GRANTS: Final = (
    """
REVOKE ALL ON FUNCTION claim_workflow_execution_v1, complete_workflow_execution_v1
    FROM PUBLIC, anon, authenticated, service_role
""",
    """
GRANT EXECUTE ON FUNCTION claim_workflow_execution_v1, complete_workflow_execution_v1
    TO service_role
""",
)

DROP_FUNCTIONS: Final = (
    "DROP FUNCTION IF EXISTS claim_workflow_execution_v1",
    "DROP FUNCTION IF EXISTS complete_workflow_execution_v1",
)

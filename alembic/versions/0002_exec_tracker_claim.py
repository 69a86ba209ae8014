"""The claim on an execution, and the history of its unsuccessful attempts.

Only catalog changes: columns without a volatile default are added without rewriting the table.

Revision ID: 0002_exec_tracker_claim
Revises: 0001_exec_tracker
"""

from alembic import op

from exec_tracker.migrations import revision as step

revision = "0002_exec_tracker_claim"
down_revision = "0001_exec_tracker"
branch_labels = None
depends_on = None

UPGRADE = (
    """
ALTER TABLE workflow_executions
    -- 32 bits are plenty for the attempts at one key
    -- squawk-ignore prefer-bigint-over-int
    ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN claim_token UUID,
    ADD COLUMN claimed_by TEXT,
    ADD COLUMN lease_expires_at TIMESTAMPTZ,
    ADD COLUMN fingerprint TEXT,
    ADD COLUMN retry_at TIMESTAMPTZ,
    ADD COLUMN erased_at TIMESTAMPTZ,
    ADD COLUMN error JSONB
""",
    """
COMMENT ON COLUMN workflow_executions.attempt
    IS 'Number of the current claim; never reset'
""",
    """
COMMENT ON COLUMN workflow_executions.claim_token
    IS 'Fence of the current claim: a writer with another token is late'
""",
    """
COMMENT ON COLUMN workflow_executions.claimed_by
    IS 'Who holds the claim; opaque, since users can read their rows'
""",
    """
COMMENT ON COLUMN workflow_executions.lease_expires_at
    IS 'Until when a running claim is believed; NULL: it is never taken over'
""",
    """
COMMENT ON COLUMN workflow_executions.fingerprint
    IS 'Versioned digest of the request; NULL on rows older than it'
""",
    """
COMMENT ON COLUMN workflow_executions.retry_at
    IS 'Earliest retry of a failed execution'
""",
    """
COMMENT ON COLUMN workflow_executions.erased_at
    IS 'When the result was erased; the key stays used'
""",
    """
COMMENT ON COLUMN workflow_executions.error
    IS 'Type and verdict of the failure; no traceback'
""",
    """
CREATE TABLE workflow_execution_attempts (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_id TEXT NOT NULL REFERENCES workflow_executions(id) ON DELETE CASCADE,
    -- 32 bits are plenty for the attempts at one key
    -- squawk-ignore prefer-bigint-over-int
    attempt INTEGER NOT NULL,
    user_id UUID NOT NULL,
    claimed_by TEXT,
    started_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    outcome TEXT NOT NULL CHECK (outcome IN ('failed', 'abandoned')),
    error JSONB
)
""",
    """
CREATE INDEX idx_workflow_execution_attempts_execution_id
    ON workflow_execution_attempts (execution_id, attempt)
""",
    "ALTER TABLE workflow_execution_attempts ENABLE ROW LEVEL SECURITY",
    """
COMMENT ON TABLE workflow_execution_attempts
    IS 'Attempts that ended without success. Needs library protocol 1.'
""",
    """
COMMENT ON COLUMN workflow_execution_attempts.user_id
    IS 'Owner of the execution, as plain data'
""",
    """
COMMENT ON COLUMN workflow_execution_attempts.outcome
    IS 'failed=it raised, abandoned=nobody knows how it ended'
""",
    """
COMMENT ON COLUMN workflow_execution_attempts.error
    IS 'Type, message, traceback and causes, truncated'
""",
)

DOWNGRADE = (
    "DROP TABLE workflow_execution_attempts",
    """
ALTER TABLE workflow_executions
    DROP COLUMN attempt,
    DROP COLUMN claim_token,
    DROP COLUMN claimed_by,
    DROP COLUMN lease_expires_at,
    DROP COLUMN fingerprint,
    DROP COLUMN retry_at,
    DROP COLUMN erased_at,
    DROP COLUMN error
""",
)


def upgrade() -> None:
    """Add the claim's columns and the attempts table."""
    step.wait_briefly_for_locks()
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop them, with the history they hold."""
    step.wait_briefly_for_locks()
    for statement in DOWNGRADE:
        op.execute(statement)

"""The specified schema, to the letter.

A database on which this SQL was applied by hand is adopted with
`alembic stamp 0001_exec_tracker`, and upgraded from there.

Revision ID: 0001_exec_tracker
Revises:
"""

from alembic import op

from exec_tracker.migrations import revision as step

revision = "0001_exec_tracker"
down_revision = None
branch_labels = None
depends_on = None

USERS_REFERENCE = " REFERENCES auth.users(id) ON DELETE CASCADE"

UPGRADE = (
    """
CREATE TABLE workflow_executions (
    id TEXT PRIMARY KEY,
    workflow_id TEXT NOT NULL,
    workflow_name TEXT,
    user_id UUID NOT NULL REFERENCES auth.users(id) ON DELETE CASCADE,
    status TEXT NOT NULL CHECK (status IN ('pending', 'running', 'completed', 'failed')),
    result JSONB,
    error_message TEXT,
    parameters JSONB,
    actor TEXT CHECK (actor IN ('user', 'ai_assistant', 'system', 'webhook')),
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    started_at TIMESTAMPTZ,
    completed_at TIMESTAMPTZ
)
""",
    "CREATE INDEX idx_workflow_executions_user_id ON workflow_executions (user_id)",
    "CREATE INDEX idx_workflow_executions_status ON workflow_executions (status)",
    "CREATE INDEX idx_workflow_executions_workflow_id ON workflow_executions (workflow_id)",
    "CREATE INDEX idx_workflow_executions_created_at ON workflow_executions (created_at DESC)",
    "ALTER TABLE workflow_executions ENABLE ROW LEVEL SECURITY",
    """
CREATE POLICY "Users can view own executions" ON workflow_executions
    FOR SELECT
    USING (auth.uid() = user_id)
""",
    """
CREATE POLICY "Service role full access" ON workflow_executions
    FOR ALL
    USING (auth.role() = 'service_role')
""",
    """
CREATE FUNCTION update_workflow_execution_updated_at()
RETURNS TRIGGER AS $$
BEGIN
    NEW.updated_at = NOW();
    RETURN NEW;
END;
$$ LANGUAGE plpgsql
""",
    """
CREATE TRIGGER workflow_executions_updated_at
    BEFORE UPDATE ON workflow_executions
    FOR EACH ROW
    EXECUTE FUNCTION update_workflow_execution_updated_at()
""",
    """
COMMENT ON TABLE workflow_executions
    IS 'Tracks n8n workflow executions for idempotency and debugging'
""",
    """
COMMENT ON COLUMN workflow_executions.id
    IS 'Idempotency key - same key returns cached result'
""",
    """
COMMENT ON COLUMN workflow_executions.status
    IS 'pending=not started, running=in progress, completed=success, failed=error'
""",
)

DOWNGRADE = (
    "DROP TABLE workflow_executions",
    "DROP FUNCTION update_workflow_execution_updated_at()",
)


def upgrade() -> None:
    """Create the table, unless it is there, which is a case for `stamp`."""
    step.refuse_existing_table("workflow_executions", revision)
    users = step.provide_identity()
    for statement in UPGRADE:
        op.execute(statement.replace(USERS_REFERENCE, step.users_reference(users)))
    step.remember_users_table(users)


def downgrade() -> None:
    """Drop the table; and the stand-in for the identity where it is ours and unused."""
    step.wait_briefly_for_locks()
    for statement in DOWNGRADE:
        op.execute(statement)
    step.withdraw_identity()

"""Row security that cannot be spoofed and costs nothing, and grants that say what is meant.

The specified policies asked the session's claims, which a session that runs SQL sets itself.

Revision ID: 0003_exec_tracker_row_security
Revises: 0002_exec_tracker_claim
"""

from alembic import op

from exec_tracker.migrations import revision as step

revision = "0003_exec_tracker_row_security"
down_revision = "0002_exec_tracker_claim"
branch_labels = None
depends_on = None

UPGRADE = (
    """
ALTER POLICY "Users can view own executions" ON workflow_executions
    TO authenticated
    USING ((SELECT auth.uid()) = user_id)
""",
    """
ALTER POLICY "Service role full access" ON workflow_executions
    TO service_role
    USING (true)
    WITH CHECK (true)
""",
    """
CREATE POLICY "Service role full access" ON workflow_execution_attempts
    FOR ALL
    TO service_role
    USING (true)
    WITH CHECK (true)
""",
    """
REVOKE ALL ON workflow_executions, workflow_execution_attempts
    FROM PUBLIC, anon, authenticated, service_role
""",
    """
GRANT SELECT, INSERT, UPDATE, DELETE ON workflow_executions, workflow_execution_attempts
    TO service_role
""",
    "GRANT SELECT ON workflow_executions TO authenticated",
    """
REVOKE ALL ON SEQUENCE workflow_execution_attempts_id_seq
    FROM PUBLIC, anon, authenticated, service_role
""",
    "ALTER FUNCTION update_workflow_execution_updated_at() SET search_path = ''",
    """
REVOKE ALL ON FUNCTION update_workflow_execution_updated_at()
    FROM PUBLIC, anon, authenticated, service_role
""",
)

VERSION_TABLE = (
    "ALTER TABLE exec_tracker_alembic_version ENABLE ROW LEVEL SECURITY",
    """
REVOKE ALL ON exec_tracker_alembic_version
    FROM PUBLIC, anon, authenticated, service_role
""",
)

# Grants stay as they are: what was closed is not opened again, and who was served goes on being.
DOWNGRADE = (
    "ALTER FUNCTION update_workflow_execution_updated_at() RESET search_path",
    'DROP POLICY "Service role full access" ON workflow_execution_attempts',
    'DROP POLICY "Service role full access" ON workflow_executions',
    """
CREATE POLICY "Service role full access" ON workflow_executions
    FOR ALL
    USING (auth.role() = 'service_role')
""",
    """
ALTER POLICY "Users can view own executions" ON workflow_executions
    TO PUBLIC
    USING (auth.uid() = user_id)
""",
)


def upgrade() -> None:
    """Bind the policies to their roles, and grant explicitly."""
    step.wait_briefly_for_locks()
    step.provide_roles()
    step.open_schema()
    for statement in UPGRADE:
        op.execute(statement)
    if step.version_table_is("exec_tracker_alembic_version"):
        for statement in VERSION_TABLE:
            op.execute(statement)


def downgrade() -> None:
    """Let the policies ask for the claims again."""
    step.wait_briefly_for_locks()
    for statement in DOWNGRADE:
        op.execute(statement)

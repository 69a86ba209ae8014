"""Indexes reshaped under their names: every listing is one ordered index scan.

And one more, for what failed with its outcome unknown, which is little among much that failed.
Built beside the old ones and swapped in: concurrently where Alembic may leave its transaction,
within it otherwise.

Revision ID: 0005_exec_tracker_indexes
Revises: 0004_exec_tracker_guard
"""

from exec_tracker.migrations import indexes

revision = "0005_exec_tracker_indexes"
down_revision = "0004_exec_tracker_guard"
branch_labels = None
depends_on = None

UPGRADE = {
    "idx_workflow_executions_user_id": "(user_id, created_at DESC, id DESC)",
    "idx_workflow_executions_workflow_id": "(workflow_id, user_id, created_at DESC, id DESC)",
    "idx_workflow_executions_status": (
        "(status, user_id, created_at DESC, id DESC) WHERE (status <> 'completed'::text)"
    ),
}

UNKNOWN = "idx_workflow_executions_unknown"
UNKNOWN_SHAPE = (
    "(created_at DESC, id DESC) WHERE ((status = 'failed'::text) "
    """AND (error @> '{"outcome_unknown": true}'::jsonb))"""
)

DOWNGRADE = {
    "idx_workflow_executions_user_id": "(user_id)",
    "idx_workflow_executions_workflow_id": "(workflow_id)",
    "idx_workflow_executions_status": "(status)",
}


def upgrade() -> None:
    """Lead each index on to the order of the listings."""
    indexes.reshape("workflow_executions", UPGRADE)
    indexes.add("workflow_executions", UNKNOWN, UNKNOWN_SHAPE)


def downgrade() -> None:
    """Go back to one column each."""
    indexes.remove(UNKNOWN)
    indexes.reshape("workflow_executions", DOWNGRADE)

"""The trace in which an execution was claimed, so that a replay or a take-over can link to it.

Only a catalog change: a column without a default is added without rewriting the table.

Revision ID: 0006_exec_tracker_trace
Revises: 0005_exec_tracker_indexes
"""

from alembic import op

from exec_tracker.migrations import revision as step

revision = "0006_exec_tracker_trace"
down_revision = "0005_exec_tracker_indexes"
branch_labels = None
depends_on = None

UPGRADE = (
    "ALTER TABLE workflow_executions ADD COLUMN trace_context TEXT",
    """
COMMENT ON COLUMN workflow_executions.trace_context
    IS 'W3C traceparent of the trace in which the current claim was made'
""",
)

DOWNGRADE = ("ALTER TABLE workflow_executions DROP COLUMN trace_context",)


def upgrade() -> None:
    """Add the column."""
    step.wait_briefly_for_locks()
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop it, with the links it holds."""
    step.wait_briefly_for_locks()
    for statement in DOWNGRADE:
        op.execute(statement)

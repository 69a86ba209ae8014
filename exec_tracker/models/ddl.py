"""What SQLAlchemy has no objects for: functions, triggers, row security, as events of the tables.

The statements are those of the newest revision; a test holds the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import DDL, event

from exec_tracker.models.attempt import WorkflowExecutionAttempt
from exec_tracker.models.execution import WorkflowExecution

if TYPE_CHECKING:
    from exec_tracker.models.base import Base

__all__: list[str] = []

_DDL: Any = DDL
"""SQLAlchemy has not annotated its constructor."""

UPDATED_AT_FUNCTION = """
CREATE OR REPLACE FUNCTION update_workflow_execution_updated_at()
RETURNS TRIGGER AS $$
BEGIN
    NEW.updated_at = NOW();
    RETURN NEW;
END;
$$ LANGUAGE plpgsql
"""

UPDATED_AT_TRIGGER = """
CREATE TRIGGER workflow_executions_updated_at
    BEFORE UPDATE ON workflow_executions
    FOR EACH ROW
    EXECUTE FUNCTION update_workflow_execution_updated_at()
"""

EXECUTIONS_ROW_SECURITY = """
ALTER TABLE workflow_executions ENABLE ROW LEVEL SECURITY
"""

EXECUTIONS_SELECT_POLICY = """
CREATE POLICY "Users can view own executions" ON workflow_executions
    FOR SELECT
    USING (auth.uid() = user_id)
"""

EXECUTIONS_SERVICE_POLICY = """
CREATE POLICY "Service role full access" ON workflow_executions
    FOR ALL
    USING (auth.role() = 'service_role')
"""

DROP_UPDATED_AT_FUNCTION = """
DROP FUNCTION IF EXISTS update_workflow_execution_updated_at()
"""

ATTEMPTS_ROW_SECURITY = """
ALTER TABLE workflow_execution_attempts ENABLE ROW LEVEL SECURITY
"""

EXECUTIONS_AFTER_CREATE = (
    UPDATED_AT_FUNCTION,
    UPDATED_AT_TRIGGER,
    EXECUTIONS_ROW_SECURITY,
    EXECUTIONS_SELECT_POLICY,
    EXECUTIONS_SERVICE_POLICY,
)
EXECUTIONS_AFTER_DROP = (DROP_UPDATED_AT_FUNCTION,)
ATTEMPTS_AFTER_CREATE = (ATTEMPTS_ROW_SECURITY,)


def _attach(model: type[Base], moment: str, statements: tuple[str, ...]) -> None:
    # On the table, not on the metadata, whose events fire even where the table stood already.
    for statement in statements:
        event.listen(model.__table__, moment, _DDL(statement))


_attach(WorkflowExecution, "after_create", EXECUTIONS_AFTER_CREATE)
_attach(WorkflowExecution, "after_drop", EXECUTIONS_AFTER_DROP)
_attach(WorkflowExecutionAttempt, "after_create", ATTEMPTS_AFTER_CREATE)

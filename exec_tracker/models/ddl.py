"""What SQLAlchemy has no objects for: functions, triggers, row security, as events of the tables.

The statements end where the newest revision ends; a test holds the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import DDL, event

from exec_tracker.models.attempt import WorkflowExecutionAttempt
from exec_tracker.models.execution import WorkflowExecution
from exec_tracker.models.functions import CREATE_FUNCTIONS, DROP_FUNCTIONS, FUNCTION_GRANTS
from exec_tracker.models.guard import (
    CREATE_GUARD_FUNCTION,
    CREATE_GUARD_TRIGGER,
    DROP_GUARD_FUNCTION,
)

if TYPE_CHECKING:
    from exec_tracker.models.base import Base

__all__ = ["ATTEMPTS_AFTER_CREATE", "EXECUTIONS_AFTER_CREATE"]

UPDATED_AT_FUNCTION: Final = """
CREATE OR REPLACE FUNCTION update_workflow_execution_updated_at()
RETURNS TRIGGER
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    NEW.updated_at = NOW();
    RETURN NEW;
END;
$$
"""

UPDATED_AT_TRIGGER: Final = """
CREATE TRIGGER workflow_executions_updated_at
    BEFORE UPDATE ON workflow_executions
    FOR EACH ROW
    EXECUTE FUNCTION update_workflow_execution_updated_at()
"""

DROP_UPDATED_AT_FUNCTION: Final = "DROP FUNCTION IF EXISTS update_workflow_execution_updated_at()"

# The sub-select has the user asked for once per statement, and not once per row.
EXECUTIONS_SELECT_POLICY: Final = """
CREATE POLICY "Users can view own executions" ON workflow_executions
    FOR SELECT
    TO authenticated
    USING ((SELECT auth.uid()) = user_id)
"""

# Bound to the role itself: a policy that asks auth.role() believes whatever claims a session that
# can run SQL has set for itself.
EXECUTIONS_SERVICE_POLICY: Final = """
CREATE POLICY "Service role full access" ON workflow_executions
    FOR ALL
    TO service_role
    USING (true)
    WITH CHECK (true)
"""

ATTEMPTS_SERVICE_POLICY: Final = """
CREATE POLICY "Service role full access" ON workflow_execution_attempts
    FOR ALL
    TO service_role
    USING (true)
    WITH CHECK (true)
"""

EXECUTIONS_AFTER_CREATE: Final = (
    UPDATED_AT_FUNCTION,
    UPDATED_AT_TRIGGER,
    CREATE_GUARD_FUNCTION,
    CREATE_GUARD_TRIGGER,
    "ALTER TABLE workflow_executions ENABLE ROW LEVEL SECURITY",
    EXECUTIONS_SELECT_POLICY,
    EXECUTIONS_SERVICE_POLICY,
    """
REVOKE ALL ON workflow_executions FROM PUBLIC, anon, authenticated, service_role
""",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON workflow_executions TO service_role",
    "GRANT SELECT ON workflow_executions TO authenticated",
    """
REVOKE ALL ON FUNCTION update_workflow_execution_updated_at(), guard_workflow_execution()
    FROM PUBLIC, anon, authenticated, service_role
""",
    *CREATE_FUNCTIONS,
    *FUNCTION_GRANTS,
)

EXECUTIONS_AFTER_DROP: Final = (DROP_UPDATED_AT_FUNCTION, DROP_GUARD_FUNCTION, *DROP_FUNCTIONS)

ATTEMPTS_AFTER_CREATE: Final = (
    "ALTER TABLE workflow_execution_attempts ENABLE ROW LEVEL SECURITY",
    ATTEMPTS_SERVICE_POLICY,
    """
REVOKE ALL ON workflow_execution_attempts FROM PUBLIC, anon, authenticated, service_role
""",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON workflow_execution_attempts TO service_role",
    """
REVOKE ALL ON SEQUENCE workflow_execution_attempts_id_seq
    FROM PUBLIC, anon, authenticated, service_role
""",
)

_DDL: Any = DDL
"""SQLAlchemy has not annotated its constructor."""


def _attach(model: type[Base], moment: str, statements: tuple[str, ...]) -> None:
    # On the table, not on the metadata, whose events fire even where the table stood already.
    for statement in statements:
        event.listen(model.__table__, moment, _DDL(statement.replace("%", "%%")))


_attach(WorkflowExecution, "after_create", EXECUTIONS_AFTER_CREATE)
_attach(WorkflowExecution, "after_drop", EXECUTIONS_AFTER_DROP)
_attach(WorkflowExecutionAttempt, "after_create", ATTEMPTS_AFTER_CREATE)

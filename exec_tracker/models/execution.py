"""`WorkflowExecution`: one row per idempotency key."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from exec_tracker.models.base import Base
from exec_tracker.models.identity import auth_users

if TYPE_CHECKING:
    from exec_tracker.models.attempt import WorkflowExecutionAttempt  # noqa: TC004 - resolved by the mapper

__all__ = [
    "EXECUTIONS_ACTOR_CHECK",
    "EXECUTIONS_PKEY",
    "EXECUTIONS_STATUS_CHECK",
    "EXECUTIONS_TABLE",
    "EXECUTIONS_USER_FKEY",
    "OUTCOME_UNKNOWN",
    "WorkflowExecution",
]

EXECUTIONS_TABLE = "workflow_executions"

# PostgreSQL's own names for unnamed constraints: they are what a schema made by hand has, and
# what driver errors are translated by.
EXECUTIONS_PKEY = "workflow_executions_pkey"
EXECUTIONS_USER_FKEY = "workflow_executions_user_id_fkey"
EXECUTIONS_STATUS_CHECK = "workflow_executions_status_check"
EXECUTIONS_ACTOR_CHECK = "workflow_executions_actor_check"


class WorkflowExecution(Base):
    """One logical run of a workflow under one idempotency key.

    For the host's own queries and relationships. Writing through it bypasses the protocol:
    the database refuses what would break a guarantee, but fences nobody.
    """

    __tablename__ = EXECUTIONS_TABLE
    __table_args__ = (
        PrimaryKeyConstraint("id", name=EXECUTIONS_PKEY),
        CheckConstraint(
            "status IN ('pending', 'running', 'completed', 'failed')",
            name=EXECUTIONS_STATUS_CHECK,
        ),
        CheckConstraint(
            "actor IN ('user', 'ai_assistant', 'system', 'webhook')",
            name=EXECUTIONS_ACTOR_CHECK,
        ),
        {"comment": "Tracks n8n workflow executions for idempotency and debugging"},
    )

    id: Mapped[str] = mapped_column(
        Text, comment="Idempotency key - same key returns cached result"
    )
    workflow_id: Mapped[str] = mapped_column(Text)
    workflow_name: Mapped[str | None] = mapped_column(Text)
    user_id: Mapped[UUID] = mapped_column(
        Uuid(),
        ForeignKey(auth_users.c.id, name=EXECUTIONS_USER_FKEY, ondelete="CASCADE"),
    )
    status: Mapped[str] = mapped_column(
        Text,
        comment="pending=not started, running=in progress, completed=success, failed=error",
    )
    # none_as_null=False: a result of None is stored as JSON null, which is not "no result".
    result: Mapped[Any] = mapped_column(JSONB(none_as_null=False), nullable=True)
    error_message: Mapped[str | None] = mapped_column(Text)
    parameters: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    actor: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    completed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    attempt: Mapped[int] = mapped_column(
        Integer, server_default=text("0"), comment="Number of the current claim; never reset"
    )
    claim_token: Mapped[UUID | None] = mapped_column(
        Uuid(), comment="Fence of the current claim: a writer with another token is late"
    )
    claimed_by: Mapped[str | None] = mapped_column(
        Text, comment="Who holds the claim; opaque, since users can read their rows"
    )
    lease_expires_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True),
        comment="Until when a running claim is believed; NULL: it is never taken over",
    )
    fingerprint: Mapped[str | None] = mapped_column(
        Text, comment="Versioned digest of the request; NULL on rows older than it"
    )
    retry_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="Earliest retry of a failed execution"
    )
    erased_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="When the result was erased; the key stays used"
    )
    error: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True), comment="Type and verdict of the failure; no traceback"
    )
    trace_context: Mapped[str | None] = mapped_column(
        Text, comment="W3C traceparent of the trace in which the current claim was made"
    )

    attempts: Mapped[list[WorkflowExecutionAttempt]] = relationship(
        order_by="WorkflowExecutionAttempt.id", viewonly=True
    )


_table = WorkflowExecution.__table__

# Every listing is one ordered scan of one of these: newest first, the id breaking ties.
Index(
    "idx_workflow_executions_user_id",
    _table.c.user_id,
    _table.c.created_at.desc(),
    _table.c.id.desc(),
)
Index(
    "idx_workflow_executions_workflow_id",
    _table.c.workflow_id,
    _table.c.user_id,
    _table.c.created_at.desc(),
    _table.c.id.desc(),
)
# Partial, since nearly all rows are completed, and are not looked for by that.
Index(
    "idx_workflow_executions_status",
    _table.c.status,
    _table.c.user_id,
    _table.c.created_at.desc(),
    _table.c.id.desc(),
    postgresql_where=_table.c.status != "completed",
)
Index("idx_workflow_executions_created_at", _table.c.created_at.desc())
# What failed and nobody knows: to be decided by somebody, and little among much that failed.
# Spelled out, since a parameter in its place would let no planner take the index.
OUTCOME_UNKNOWN = text("""status = 'failed' AND error @> '{"outcome_unknown": true}'""")
Index(
    "idx_workflow_executions_unknown",
    _table.c.created_at.desc(),
    _table.c.id.desc(),
    postgresql_where=OUTCOME_UNKNOWN,
)

"""`WorkflowExecutionAttempt`: the history of attempts that ended without success."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from exec_tracker.models.base import Base
from exec_tracker.models.execution import WorkflowExecution

__all__ = [
    "ATTEMPTS_EXECUTION_FKEY",
    "ATTEMPTS_OUTCOME_CHECK",
    "ATTEMPTS_PKEY",
    "ATTEMPTS_TABLE",
    "WorkflowExecutionAttempt",
]

ATTEMPTS_TABLE = "workflow_execution_attempts"
ATTEMPTS_PKEY = "workflow_execution_attempts_pkey"
ATTEMPTS_EXECUTION_FKEY = "workflow_execution_attempts_execution_id_fkey"
ATTEMPTS_OUTCOME_CHECK = "workflow_execution_attempts_outcome_check"


class WorkflowExecutionAttempt(Base):
    """One ended, unsuccessful attempt; success writes nothing here.

    An attempt number can end twice (a row marked failed again, an abandoned row reset), so
    the order of the history is that of `id`. `user_id` is plain data: a second foreign key
    to the users would deadlock the deletion of an account with re-claims.
    """

    __tablename__ = ATTEMPTS_TABLE
    __table_args__ = (
        PrimaryKeyConstraint("id", name=ATTEMPTS_PKEY),
        CheckConstraint("outcome IN ('failed', 'abandoned')", name=ATTEMPTS_OUTCOME_CHECK),
        # The tracker reads the protocol number once, to learn that it is too old.
        {"comment": "Attempts that ended without success. Needs library protocol 1."},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    execution_id: Mapped[str] = mapped_column(
        Text,
        ForeignKey(WorkflowExecution.id, name=ATTEMPTS_EXECUTION_FKEY, ondelete="CASCADE"),
    )
    attempt: Mapped[int] = mapped_column(Integer)
    user_id: Mapped[UUID] = mapped_column(Uuid(), comment="Owner of the execution, as plain data")
    claimed_by: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.clock_timestamp()
    )
    outcome: Mapped[str] = mapped_column(
        Text, comment="failed=it raised, abandoned=nobody knows how it ended"
    )
    error: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True), comment="Type, message, traceback and causes, truncated"
    )


_table = WorkflowExecutionAttempt.__table__
Index("idx_workflow_execution_attempts_execution_id", _table.c.execution_id, _table.c.attempt)

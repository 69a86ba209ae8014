"""What one writes first: look for the row, insert it, mark it running, then completed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import create_engine, func
from sqlalchemy.orm import Session

from benchmarks.contenders.base import USER_ID, Contender
from exec_tracker import WorkflowExecution, normalise_url


class UnitOfWork(Contender):
    """A session per call and a commit per step; two calls at once may both run the function."""

    def open(self, url: str, callers: int) -> None:
        """Make the engine."""
        self._engine = create_engine(normalise_url(url), pool_size=max(callers, 5))

    def fresh(self, caller: int, key: str) -> Any:
        """Find the row, or make it and run."""
        with Session(self._engine) as session:
            row = session.get(WorkflowExecution, key)
            if row is not None:
                return row.result
            row = WorkflowExecution(
                id=key, workflow_id="charge", user_id=UUID(USER_ID), status="pending"
            )
            session.add(row)
            session.commit()
            row.status, row.started_at = "running", func.now()
            session.commit()
            result = self.work()
            row.status, row.result = "completed", result
            row.completed_at = func.now()
            session.commit()
            return result

    def close(self) -> None:
        """Disconnect."""
        self._engine.dispose()

"""The same statements by SQLAlchemy Core, on an engine in autocommit."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam, create_engine, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from benchmarks.contenders.base import USER_ID, Contender
from exec_tracker import WorkflowExecution, normalise_url

_TABLE: Any = WorkflowExecution.__table__
_LEASE: Any = func.clock_timestamp() + text("interval '60 s'")
_INSERT = (
    insert(_TABLE)
    .values(
        id=bindparam("key"),
        workflow_id="charge",
        user_id=UUID(USER_ID),
        status="running",
        started_at=func.clock_timestamp(),
        attempt=1,
        claim_token=bindparam("token"),
        lease_expires_at=_LEASE,
    )
    .on_conflict_do_nothing(index_elements=["id"])
    .returning(_TABLE.c.attempt)
)
_SELECT = select(_TABLE.c.workflow_id, _TABLE.c.user_id, _TABLE.c.status, _TABLE.c.result).where(
    _TABLE.c.id == bindparam("key")
)
_UPDATE = (
    update(_TABLE)
    .where(
        _TABLE.c.id == bindparam("key"),
        _TABLE.c.claim_token == bindparam("token"),
        _TABLE.c.status + "" == "running",
    )
    .values(
        status="completed",
        result=bindparam("outcome"),
        completed_at=func.clock_timestamp(),
        lease_expires_at=None,
    )
)


class Autocommitted(Contender):
    """A connection of the pool for every statement."""

    def open(self, url: str, callers: int) -> None:
        """Make the engine."""
        self._engine = create_engine(
            normalise_url(url), isolation_level="AUTOCOMMIT", pool_size=max(callers, 5)
        )

    def fresh(self, caller: int, key: str) -> Any:
        """Claim, run, complete; or read."""
        token = uuid4()
        with self._engine.connect() as connection:
            claimed = connection.execute(_INSERT, {"key": key, "token": token}).first()
            if claimed is None:
                return connection.execute(_SELECT, {"key": key}).one().result
        result = self.work()
        with self._engine.connect() as connection:
            connection.execute(_UPDATE, {"key": key, "token": token, "outcome": result})
        return result

    def close(self) -> None:
        """Disconnect."""
        self._engine.dispose()

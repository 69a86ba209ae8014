"""The listings of the sync tracker: pages of executions, and counts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Unpack, cast

from exec_tracker import queries
from exec_tracker.keywords import check_duration
from exec_tracker.tracker.driving import Driver

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from exec_tracker.queries import Filters
    from exec_tracker.types import Execution, ExecutionActor, ExecutionStatus

# A gauge or a health check should not be what keeps a busy database busy.
_COUNT_TIMEOUT = timedelta(seconds=2)


class ExecutionListings(Driver):
    """What can be asked about many executions."""

    def get_recent_executions(
        self,
        user_id: UUID | str,
        limit: int = 20,
        before: Execution | None = None,
        *,
        status: ExecutionStatus | None = None,
        actor: ExecutionActor | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Execution]:
        """List one user's executions, newest first; `before` is the last one of the last page."""
        return self._list(
            user_id=user_id,
            limit=limit,
            before=before,
            status=status,
            actor=actor,
            since=since,
            until=until,
        )

    def get_executions_by_workflow(
        self,
        workflow_id: str,
        user_id: UUID | str,
        limit: int = 50,
        before: Execution | None = None,
        *,
        status: ExecutionStatus | None = None,
    ) -> list[Execution]:
        """List one user's executions of one workflow, newest first."""
        return self._list(
            workflow_id=workflow_id,
            user_id=user_id,
            limit=limit,
            before=before,
            status=status,
        )

    def get_executions_by_status(
        self,
        user_id: UUID | str,
        status: ExecutionStatus | str,
        limit: int = 50,
        before: Execution | None = None,
    ) -> list[Execution]:
        """List one user's executions in one status, newest first."""
        return self._list(
            user_id=user_id,
            status=status,
            limit=limit,
            before=before,
        )

    def list_executions(self, *, limit: int = 50, **filters: Unpack[Filters]) -> list[Execution]:
        """List everybody's executions, newest first: for operators, not for request handlers.

        Raises ValueError for a limit, status or user that cannot be one.
        """
        return self._list(limit=limit, **filters)

    def find_abandoned(
        self,
        *,
        user_id: UUID | str | None = None,
        workflow_id: str | None = None,
        limit: int = 50,
        before: Execution | None = None,
    ) -> list[Execution]:
        """List executions whose outcome is unknown, newest first."""
        found = self._query(
            queries.find_abandoned,
            user_id=user_id,
            workflow_id=workflow_id,
            limit=limit,
            before=before,
        )
        return cast("list[Execution]", found)

    def count_by_status(self, user_id: UUID | str | None = None) -> dict[ExecutionStatus, int]:
        """Count executions per status, of one user or of everybody."""
        return cast(
            "dict[ExecutionStatus, int]", self._query(queries.count_by_status, user_id=user_id)
        )

    def count_abandoned(
        self, *, limit: int = queries.MAX_LIMIT, timeout: timedelta = _COUNT_TIMEOUT
    ) -> int:
        """Count executions whose outcome is unknown, up to `limit`: for gauges and health checks.

        Reads only what runs or is unknown. Raises StorageError where that takes longer than
        `timeout`.
        """
        check_duration("timeout", timeout)
        counted = self._query(queries.count_abandoned, limit=limit, timeout=timeout)
        return cast("int", counted)

    def _list(self, *, limit: int, **filters: Unpack[Filters]) -> list[Execution]:
        found = self._query(queries.list_executions, limit=limit, **filters)
        return cast("list[Execution]", found)

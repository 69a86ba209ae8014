"""The listings of the async tracker: the sync tracker's, awaited."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Unpack, cast

from exec_tracker import queries
from exec_tracker.aio.driving import AsyncDriver
from exec_tracker.keywords import check_duration

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from exec_tracker.queries import Filters
    from exec_tracker.types import Execution, ExecutionActor, ExecutionStatus

# A gauge or a health check should not be what keeps a busy database busy.
_COUNT_TIMEOUT = timedelta(seconds=2)


class AsyncExecutionListings(AsyncDriver):
    """What can be asked about many executions."""

    async def get_recent_executions(
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
        """Await `ExecutionTracker.get_recent_executions`."""
        return await self._list(
            user_id=user_id,
            limit=limit,
            before=before,
            status=status,
            actor=actor,
            since=since,
            until=until,
        )

    async def get_executions_by_workflow(
        self,
        workflow_id: str,
        user_id: UUID | str,
        limit: int = 50,
        before: Execution | None = None,
        *,
        status: ExecutionStatus | None = None,
    ) -> list[Execution]:
        """Await `ExecutionTracker.get_executions_by_workflow`."""
        return await self._list(
            workflow_id=workflow_id,
            user_id=user_id,
            limit=limit,
            before=before,
            status=status,
        )

    async def get_executions_by_status(
        self,
        user_id: UUID | str,
        status: ExecutionStatus | str,
        limit: int = 50,
        before: Execution | None = None,
    ) -> list[Execution]:
        """Await `ExecutionTracker.get_executions_by_status`."""
        return await self._list(
            user_id=user_id,
            status=status,
            limit=limit,
            before=before,
        )

    async def list_executions(
        self, *, limit: int = 50, **filters: Unpack[Filters]
    ) -> list[Execution]:
        """Await `ExecutionTracker.list_executions`."""
        return await self._list(limit=limit, **filters)

    async def find_abandoned(
        self,
        *,
        user_id: UUID | str | None = None,
        workflow_id: str | None = None,
        limit: int = 50,
        before: Execution | None = None,
    ) -> list[Execution]:
        """Await `ExecutionTracker.find_abandoned`."""
        found = await self._query(
            queries.find_abandoned,
            user_id=user_id,
            workflow_id=workflow_id,
            limit=limit,
            before=before,
        )
        return cast("list[Execution]", found)

    async def count_by_status(
        self, user_id: UUID | str | None = None
    ) -> dict[ExecutionStatus, int]:
        """Await `ExecutionTracker.count_by_status`."""
        return cast(
            "dict[ExecutionStatus, int]",
            await self._query(queries.count_by_status, user_id=user_id),
        )

    async def count_abandoned(
        self,
        *,
        limit: int = queries.MAX_LIMIT,
        timeout: timedelta = _COUNT_TIMEOUT,  # noqa: ASYNC109 # the server's, as in the sync one
    ) -> int:
        """Await `ExecutionTracker.count_abandoned`."""
        check_duration("timeout", timeout)
        counted = await self._query(queries.count_abandoned, limit=limit, timeout=timeout)
        return cast("int", counted)

    async def _list(self, *, limit: int, **filters: Unpack[Filters]) -> list[Execution]:
        found = await self._query(queries.list_executions, limit=limit, **filters)
        return cast("list[Execution]", found)

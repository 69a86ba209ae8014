"""The verbs of the async tracker: the sync tracker's, awaited."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Unpack, cast
from uuid import uuid4

from exec_tracker import queries, recovery
from exec_tracker.aio.driving import AsyncDriver
from exec_tracker.flow import wait_for_ending
from exec_tracker.keywords import check_duration, check_lease
from exec_tracker.repository import Claim, ExecutionRepository
from exec_tracker.types import ExecutionStatus, check_execution_id

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    from exec_tracker.planning import TrackerSettings
    from exec_tracker.queries import Filters
    from exec_tracker.types import (
        ExecuteOptions,
        Execution,
        ExecutionActor,
        ExecutionAttempt,
    )


class AsyncExecutionVerbs(AsyncDriver):
    """What can be asked or told about executions besides running them.

    Every `execution_id` is the stored id: the idempotency key, with its user in front where the
    scope is USER (`ExecuteOptions.execution_id`). All methods raise StorageError where the
    database cannot be used, MigrationRequiredError and SchemaTooNewError where its schema does not
    fit, and InvalidIdempotencyKeyError for an id that cannot be one.
    """

    _settings: TrackerSettings

    async def get_execution(self, execution_id: str) -> Execution | None:
        """Await `ExecutionTracker.get_execution`."""
        return cast("Execution | None", await self.ask(recovery.read, execution_id))

    async def get_attempts(self, execution_id: str) -> list[ExecutionAttempt]:
        """Await `ExecutionTracker.get_attempts`."""
        return cast("list[ExecutionAttempt]", await self.ask(recovery.read_attempts, execution_id))

    async def create_execution(self, options: ExecuteOptions) -> Execution:
        """Await `ExecutionTracker.create_execution`."""
        new = self._settings.new_execution(options)
        return cast("Execution", await self.ask(recovery.create, new))

    async def mark_running(self, execution_id: str, lease: timedelta | None = None) -> Execution:
        """Await `ExecutionTracker.mark_running`."""
        claim = Claim(uuid4(), self._settings.claimed_by, check_lease(lease))
        return cast("Execution", await self.ask(recovery.mark_running, execution_id, claim))

    async def mark_completed(
        self, execution_id: str, result: Any = None, claim_token: UUID | str | None = None
    ) -> Execution:
        """Await `ExecutionTracker.mark_completed`."""
        return cast(
            "Execution",
            await self.ask(recovery.mark_completed, execution_id, result, claim_token),
        )

    async def mark_failed(
        self,
        execution_id: str,
        error_message: str,
        *,
        retryable: bool = True,
        retry_delay: timedelta | None = None,
        claim_token: UUID | str | None = None,
    ) -> Execution:
        """Await `ExecutionTracker.mark_failed`."""
        failed = await self.ask(
            recovery.mark_failed,
            execution_id,
            error_message,
            retryable=retryable,
            retry_delay=retry_delay,
            token=claim_token,
        )
        return cast("Execution", failed)

    async def resolve(
        self,
        execution_id: str,
        *,
        result: Any = recovery.UNSET,
        error: str | None = None,
        retryable: bool = True,
    ) -> Execution:
        """Await `ExecutionTracker.resolve`."""
        decided = await self.ask(recovery.resolve, execution_id, result, error, retryable=retryable)
        return cast("Execution", decided)

    async def reset(self, execution_id: str) -> Execution:
        """Await `ExecutionTracker.reset`."""
        return cast("Execution", await self.ask(recovery.reset, execution_id))

    async def erase(self, execution_id: str) -> Execution:
        """Await `ExecutionTracker.erase`."""
        return cast("Execution", await self.ask(recovery.erase, execution_id))

    async def delete(self, execution_id: str) -> None:
        """Await `ExecutionTracker.delete`."""
        await self.ask(recovery.delete, execution_id)

    async def purge(
        self,
        older_than: timedelta,
        *,
        statuses: tuple[ExecutionStatus | str, ...] = (ExecutionStatus.COMPLETED,),
        batch_size: int = 1000,
    ) -> int:
        """Await `ExecutionTracker.purge`."""
        check_duration("older_than", older_than)
        wanted = recovery.check_purge(statuses, batch_size)
        purged: int = 0
        while True:
            gone = await self.ask(ExecutionRepository.purge, older_than, wanted, batch_size)
            purged += gone
            if gone < batch_size:
                return purged

    async def wait(
        self,
        execution_id: str,
        timeout: timedelta,  # noqa: ASYNC109 # the sync name; ends in an error, cancels nothing
    ) -> Execution:
        """Await `ExecutionTracker.wait`."""
        check_duration("timeout", timeout)
        self.check_open()
        deadline = monotonic() + timeout.total_seconds()
        flow = wait_for_ending(check_execution_id(execution_id), deadline)
        return cast("Execution", await self.drive(flow))

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

    async def ensure_user(self, user_id: UUID | str) -> None:
        """Await `ExecutionTracker.ensure_user`."""
        await self.ask(recovery.ensure_user, user_id)

    async def _list(self, *, limit: int, **filters: Unpack[Filters]) -> list[Execution]:
        found = await self._query(queries.list_executions, limit=limit, **filters)
        return cast("list[Execution]", found)

"""The verbs of the async tracker: the sync tracker's, awaited."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from exec_tracker import recovery
from exec_tracker.aio.listings import AsyncExecutionListings
from exec_tracker.flow import wait_for_ending
from exec_tracker.keywords import check_duration, check_lease
from exec_tracker.policies import EventName
from exec_tracker.repository import Claim, ExecutionRepository
from exec_tracker.tokens import new_token
from exec_tracker.types import ExecutionStatus, check_execution_id

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    from exec_tracker.planning import TrackerSettings
    from exec_tracker.types import (
        ExecuteOptions,
        Execution,
        ExecutionAttempt,
    )


class AsyncExecutionVerbs(AsyncExecutionListings):
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
        with self._settings.watch("create_execution", options) as watch:
            created = await self.ask(recovery.create, self._settings.new_execution(options))
            return watch.decided(EventName.CREATED, created)

    async def mark_running(self, execution_id: str, lease: timedelta | None = None) -> Execution:
        """Await `ExecutionTracker.mark_running`."""
        claim = Claim(new_token(), self._settings.claimed_by, check_lease(lease))
        with self._settings.watch_decision("mark_running", execution_id) as watch:
            running = await self.ask(recovery.mark_running, execution_id, claim)
            return watch.decided(EventName.CLAIMED, running)

    async def mark_completed(
        self, execution_id: str, result: Any = None, claim_token: UUID | str | None = None
    ) -> Execution:
        """Await `ExecutionTracker.mark_completed`."""
        with self._settings.watch_decision("mark_completed", execution_id) as watch:
            done = await self.ask(recovery.mark_completed, execution_id, result, claim_token)
            return watch.decided(EventName.COMPLETED, done)

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
        with self._settings.watch_decision("mark_failed", execution_id) as watch:
            failed = await self.ask(
                recovery.mark_failed,
                execution_id,
                error_message,
                retryable=retryable,
                retry_delay=retry_delay,
                token=claim_token,
            )
            return watch.decided(EventName.FAILED, failed)

    async def resolve(
        self,
        execution_id: str,
        *,
        result: Any = recovery.UNSET,
        error: str | None = None,
        retryable: bool = True,
    ) -> Execution:
        """Await `ExecutionTracker.resolve`."""
        with self._settings.watch_decision("resolve", execution_id) as watch:
            done = await self.ask(
                recovery.resolve, execution_id, result, error, retryable=retryable
            )
            return watch.decided(EventName(done.status), done, "resolved")

    async def reset(self, execution_id: str) -> Execution:
        """Await `ExecutionTracker.reset`."""
        with self._settings.watch_decision("reset", execution_id) as watch:
            return watch.decided(EventName.RESET, await self.ask(recovery.reset, execution_id))

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

    async def ensure_user(self, user_id: UUID | str) -> None:
        """Await `ExecutionTracker.ensure_user`."""
        await self.ask(recovery.ensure_user, user_id)

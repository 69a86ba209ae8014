"""The verbs of the sync tracker: look at executions, finish them from elsewhere, decide, remove."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Unpack, cast
from uuid import uuid4

from exec_tracker import queries, recovery
from exec_tracker.flow import wait_for_ending
from exec_tracker.keywords import check_duration, check_lease
from exec_tracker.repository import Claim, ExecutionRepository
from exec_tracker.tracker.driving import Driver
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


class ExecutionVerbs(Driver):
    """What can be asked or told about executions besides running them.

    Every `execution_id` is the stored id: the idempotency key, with its user in front where the
    scope is USER (`ExecuteOptions.execution_id`). All methods raise StorageError where the
    database cannot be used, MigrationRequiredError and SchemaTooNewError where its schema does not
    fit, and InvalidIdempotencyKeyError for an id that cannot be one.
    """

    _settings: TrackerSettings

    def get_execution(self, execution_id: str) -> Execution | None:
        """Return a snapshot, or None; takes no lock and never waits for a writer."""
        return cast("Execution | None", self.ask(recovery.read, execution_id))

    def get_attempts(self, execution_id: str) -> list[ExecutionAttempt]:
        """Return the ended, unsuccessful attempts, oldest first, with tracebacks where known."""
        return cast("list[ExecutionAttempt]", self.ask(recovery.read_attempts, execution_id))

    def create_execution(self, options: ExecuteOptions) -> Execution:
        """Register a pending execution, for work that begins later or elsewhere.

        Raises ExecutionExistsError, UnknownUserError.
        """
        new = self._settings.new_execution(options)
        return cast("Execution", self.ask(recovery.create, new))

    def mark_running(self, execution_id: str, lease: timedelta | None = None) -> Execution:
        """Claim a pending or failed execution whose work runs elsewhere.

        The snapshot carries the `claim_token` that fences its end. Without a lease it is never
        taken over and may be finished without the token; nothing renews a lease given here.
        Raises ExecutionNotFoundError, IllegalTransitionError.
        """
        claim = Claim(uuid4(), self._settings.claimed_by, check_lease(lease))
        return cast("Execution", self.ask(recovery.mark_running, execution_id, claim))

    def mark_completed(
        self, execution_id: str, result: Any = None, claim_token: UUID | str | None = None
    ) -> Execution:
        """Store a result, as a webhook callback does; the same result again changes nothing.

        Without `claim_token` only where no lease is live. Raises ExecutionNotFoundError,
        IllegalTransitionError, and ResultNotStorableError before anything is changed.
        """
        return cast(
            "Execution", self.ask(recovery.mark_completed, execution_id, result, claim_token)
        )

    def mark_failed(
        self,
        execution_id: str,
        error_message: str,
        *,
        retryable: bool = True,
        retry_delay: timedelta | None = None,
        claim_token: UUID | str | None = None,
    ) -> Execution:
        """Store a failure and keep the attempt in the history.

        Without `claim_token` only where no lease is live. Raises ExecutionNotFoundError,
        IllegalTransitionError.
        """
        failed = self.ask(
            recovery.mark_failed,
            execution_id,
            error_message,
            retryable=retryable,
            retry_delay=retry_delay,
            token=claim_token,
        )
        return cast("Execution", failed)

    def resolve(
        self,
        execution_id: str,
        *,
        result: Any = recovery.UNSET,
        error: str | None = None,
        retryable: bool = True,
    ) -> Execution:
        """Decide an abandoned execution: it happened with `result`, or failed with `error`.

        This is the caller's word: where the old owner is merely stalled it gets LeaseLostError, but
        its effect may still happen. Raises ConfigurationError unless exactly one is given,
        ExecutionNotFoundError, IllegalTransitionError, ResultNotStorableError.
        """
        decided = self.ask(recovery.resolve, execution_id, result, error, retryable=retryable)
        return cast("Execution", decided)

    def reset(self, execution_id: str) -> Execution:
        """Make a failed or abandoned execution pending: the next call runs it. The caller's word.

        Its attempts go on counting. Raises ExecutionNotFoundError, IllegalTransitionError.
        """
        return cast("Execution", self.ask(recovery.reset, execution_id))

    def erase(self, execution_id: str) -> Execution:
        """Blank result, parameters and errors for good; the key stays used.

        Raises ExecutionNotFoundError, and IllegalTransitionError while it is running.
        """
        return cast("Execution", self.ask(recovery.erase, execution_id))

    def delete(self, execution_id: str) -> None:
        """Delete an execution with its history, which frees its key for another run.

        Raises ExecutionNotFoundError, and IllegalTransitionError under a live lease.
        """
        self.ask(recovery.delete, execution_id)

    def purge(
        self,
        older_than: timedelta,
        *,
        statuses: tuple[ExecutionStatus | str, ...] = (ExecutionStatus.COMPLETED,),
        batch_size: int = 1000,
    ) -> int:
        """Delete executions that ended longer ago than `older_than`, and return how many.

        Works in short batches that skip locked rows; several purgers at once are harmless. Frees
        the keys: purge a failure only where its effect cannot have happened.
        """
        check_duration("older_than", older_than)
        wanted = recovery.check_purge(statuses, batch_size)
        purged: int = 0
        while True:
            gone = self.ask(ExecutionRepository.purge, older_than, wanted, batch_size)
            purged += gone
            if gone < batch_size:
                return purged

    def wait(self, execution_id: str, timeout: timedelta) -> Execution:
        """Wait until an execution is completed, failed or abandoned, and return it.

        Raises ExecutionInProgressError after `timeout`, ExecutionNotFoundError.
        """
        check_duration("timeout", timeout)
        self.check_open()
        deadline = monotonic() + timeout.total_seconds()
        flow = wait_for_ending(check_execution_id(execution_id), deadline)
        return cast("Execution", self.drive(flow))

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

    def ensure_user(self, user_id: UUID | str) -> None:
        """Insert a user into `auth.users` of a standalone database, unless it is there.

        On Supabase users are made by its auth service, and this is refused by its permissions.
        """
        self.ask(recovery.ensure_user, user_id)

    def _list(self, *, limit: int, **filters: Unpack[Filters]) -> list[Execution]:
        found = self._query(queries.list_executions, limit=limit, **filters)
        return cast("list[Execution]", found)

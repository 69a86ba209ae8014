"""The verbs of the sync tracker: look at executions, finish them from elsewhere, decide, remove."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from exec_tracker import recovery
from exec_tracker.flow import wait_for_ending
from exec_tracker.keywords import check_duration, check_lease
from exec_tracker.policies import EventName
from exec_tracker.repository import Claim, ExecutionRepository
from exec_tracker.tokens import new_token
from exec_tracker.tracker.listings import ExecutionListings
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


class ExecutionVerbs(ExecutionListings):
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
        with self._settings.watch("create_execution", options) as watch:
            created = self.ask(recovery.create, self._settings.new_execution(options))
            return watch.decided(EventName.CREATED, created)

    def mark_running(self, execution_id: str, lease: timedelta | None = None) -> Execution:
        """Claim a pending or failed execution whose work runs elsewhere.

        The snapshot carries the `claim_token` that fences its end. Without a lease it is never
        taken over and may be finished without the token; nothing renews a lease given here.
        Raises ExecutionNotFoundError, IllegalTransitionError.
        """
        claim = Claim(new_token(), self._settings.claimed_by, check_lease(lease))
        with self._settings.watch_decision("mark_running", execution_id) as watch:
            running = self.ask(recovery.mark_running, execution_id, claim)
            return watch.decided(EventName.CLAIMED, running)

    def mark_completed(
        self, execution_id: str, result: Any = None, claim_token: UUID | str | None = None
    ) -> Execution:
        """Store a result, as a webhook callback does; the same result again changes nothing.

        Without `claim_token` only where no lease is live. Raises ExecutionNotFoundError,
        IllegalTransitionError, and ResultNotStorableError before anything is changed.
        """
        with self._settings.watch_decision("mark_completed", execution_id) as watch:
            done = self.ask(recovery.mark_completed, execution_id, result, claim_token)
            return watch.decided(EventName.COMPLETED, done)

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
        with self._settings.watch_decision("mark_failed", execution_id) as watch:
            failed = self.ask(
                recovery.mark_failed,
                execution_id,
                error_message,
                retryable=retryable,
                retry_delay=retry_delay,
                token=claim_token,
            )
            return watch.decided(EventName.FAILED, failed)

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
        with self._settings.watch_decision("resolve", execution_id) as watch:
            done = self.ask(recovery.resolve, execution_id, result, error, retryable=retryable)
            return watch.decided(EventName(done.status), done, "resolved")

    def reset(self, execution_id: str) -> Execution:
        """Make a failed or abandoned execution pending: the next call runs it. The caller's word.

        Its attempts go on counting. Raises ExecutionNotFoundError, IllegalTransitionError.
        """
        with self._settings.watch_decision("reset", execution_id) as watch:
            return watch.decided(EventName.RESET, self.ask(recovery.reset, execution_id))

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

    def ensure_user(self, user_id: UUID | str) -> None:
        """Insert a user into `auth.users` of a standalone database, unless it is there.

        On Supabase users are made by its auth service, and this is refused by its permissions.
        """
        self.ask(recovery.ensure_user, user_id)

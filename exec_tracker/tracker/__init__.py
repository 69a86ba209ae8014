"""The sync tracker: run work under an idempotency key, and ask about what was run."""

from __future__ import annotations

import threading
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, Unpack, cast

from exec_tracker.codec import DEFAULT_MAX_BYTES
from exec_tracker.decorating import Request, bound_call
from exec_tracker.executors import refuse_asynchronous
from exec_tracker.failures import MAX_TEXT
from exec_tracker.flow import execute, execute_in_transaction, obtain_or_withdraw
from exec_tracker.keywords import DEFAULT_LEASE, DEFAULT_SAVE_TIMEOUT, check_options
from exec_tracker.nesting import entered, refuse_nested
from exec_tracker.planning import TrackerSettings
from exec_tracker.sessions import own_session, plain_session
from exec_tracker.settings import require_database_url
from exec_tracker.tracker.batches import ExecutionBatches
from exec_tracker.tracker.claim import Claim
from exec_tracker.tracker.transaction import TransactionBlock
from exec_tracker.types import KeyScope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta
    from types import TracebackType
    from uuid import UUID

    from sqlalchemy import Engine
    from sqlalchemy.engine import URL
    from sqlalchemy.orm import Session, sessionmaker

    from exec_tracker.keywords import ExecuteSettings, TransactionSettings
    from exec_tracker.policies import ExecutionEvent
    from exec_tracker.types import ExecuteOptions, ExecutionActor, ExecutionResult

T = TypeVar("T")
P = ParamSpec("P")

__all__ = [
    "Claim",
    "ExecutionTracker",
    "TransactionBlock",
    "get_execution_tracker",
    "reset_execution_tracker",
]


class ExecutionTracker(ExecutionBatches):
    """Runs each piece of work once per idempotency key, on the caller's PostgreSQL.

    Thread-safe; share one per process, also across a fork. With an engine or sessionmaker it
    borrows connections from the host's pool, single statements at a time, and never closes the
    host's engine; with a URL it makes an engine of its own, which `close()` disposes.
    """

    def __init__(
        self,
        bind: Engine | sessionmaker[Session] | URL | str,
        *,
        lease: timedelta | None = DEFAULT_LEASE,
        save_timeout: timedelta = DEFAULT_SAVE_TIMEOUT,
        fingerprint_key: bytes | None = None,
        claimed_by: str | None = None,
        max_result_bytes: int = DEFAULT_MAX_BYTES,
        max_parameters_bytes: int = DEFAULT_MAX_BYTES,
        max_error_chars: int = MAX_TEXT,
        on_event: Callable[[ExecutionEvent], None] | None = None,
        trace_context: Callable[[], str | None] | None = None,
        schema: str | None = None,
    ) -> None:
        """Prepare a tracker; nothing is connected before the first call.

        `lease` is how long a claim is believed after its owner was last heard of; a heartbeat
        renews it at a third of that. `fingerprint_key` makes fingerprints an HMAC. Parameters and
        results over their limits are refused, error texts are truncated. `schema` qualifies the
        tables where search_path does not find them. Raises ConfigurationError for what cannot work.
        """
        super().__init__(bind, schema=schema)
        named: dict[str, Any] = {} if claimed_by is None else {"claimed_by": claimed_by}
        self._settings = TrackerSettings(
            lease=lease,
            save_timeout=save_timeout,
            fingerprint_key=fingerprint_key,
            max_result_bytes=max_result_bytes,
            max_parameters_bytes=max_parameters_bytes,
            max_error_chars=max_error_chars,
            on_event=on_event,
            trace_context=trace_context,
            **named,
        )

    def __repr__(self) -> str:
        """Show where it works, without the password."""
        state = ", closed" if self._closed else ""
        return f"{type(self).__name__}({self._database.engine.url!r}{state})"

    def __enter__(self) -> Self:
        """Close at the end of a with block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def execute_idempotent(
        self,
        options: ExecuteOptions,
        executor: Callable[..., T],
        **settings: Unpack[ExecuteSettings],
    ) -> T:
        """Run `executor` under the key and return its result, or the stored one."""
        return self.execute(options, executor, **settings).data

    def execute(
        self,
        options: ExecuteOptions,
        executor: Callable[..., T],
        **settings: Unpack[ExecuteSettings],
    ) -> ExecutionResult[T]:
        """Run `executor` unless its key has an outcome already, and tell which it was.

        The claim is committed before the function runs, with no transaction open, and the result is
        stored under the claim's token. A function that returned is never run again. One that raised
        counts as not done and is run again by the next call, unless `on_failed` or `retry` says
        otherwise. Where nobody knows, the execution is abandoned and stays so until somebody
        decides. It blocks for as long as the function runs, and with `on_running="wait"` for as
        long as another's does, at most `wait_timeout`. ExecuteSettings describes the keywords.

        The executor's own exception reaches the caller unchanged. Raises IdempotencyKeyReusedError,
        ExecutionInProgressError, ExecutionAbandonedError, ExecutionFailedError, ResultErasedError,
        ResultNotStorableError, LeaseLostError, UnknownUserError, ConfigurationError, SchemaError
        or StorageError.
        """
        self.check_open()
        refuse_asynchronous(executor)
        check_options(options)
        refuse_nested(options.execution_id)
        with self._settings.watch("execute", options) as watch:
            plan = self._settings.plan(options, executor, self._heartbeat, settings, watch)
            result: ExecutionResult[T] = watch.ended(self.drive(execute(plan)))
        return result

    def claim(self, options: ExecuteOptions, **settings: Unpack[ExecuteSettings]) -> Claim:
        """Claim the key for work that is not one function, or that ends in another process.

        The handle tells whether the execution was `cached`; else finish it with `complete`, `fail`
        or `detach`. Use it as a context manager, so that nothing is left open by accident. Raises
        as `execute` does; `verify` is not for handles.
        """
        self.check_open()
        check_options(options)
        refuse_nested(options.execution_id)
        with self._settings.watch("claim", options) as watch:
            plan = self._settings.plan_claim(options, self._heartbeat, settings, watch)
            return Claim(self, plan, self.drive(obtain_or_withdraw(plan, hands_over=True)))

    def idempotent(
        self,
        *,
        key: str | Callable[..., str],
        workflow_id: str,
        user_id: UUID | str | Callable[..., UUID | str],
        parameters: Iterable[str] | Callable[..., dict[str, Any]] | None = None,
        workflow_name: str | None = None,
        actor: ExecutionActor | None = None,
        key_scope: KeyScope = KeyScope.GLOBAL,
        **settings: Unpack[ExecuteSettings],
    ) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """Decorate a function so that each of its calls runs once per key.

        `key` is a template over the bound arguments, such as `"invoice:{invoice_id}"`, or a
        callable that gets them by name; keyword order and defaults make no difference. `user_id` is
        a UUID, a template or a callable. `parameters` are the arguments that identify the request:
        all of them, unless it names some or computes them. Raises ConfigurationError for a template
        that names no argument; calls raise as `execute_idempotent` does.
        """
        request = Request(key, workflow_id, user_id, parameters, workflow_name, actor, key_scope)

        def decorate(function: Callable[P, T]) -> Callable[P, T]:
            refuse_asynchronous(function)
            options_of = request.bind(function)

            @wraps(function)
            def call(*args: P.args, **kwargs: P.kwargs) -> T:
                executor: Callable[[], T] = bound_call(function, args, kwargs)
                return self.execute_idempotent(options_of(args, kwargs), executor, **settings)

            return call

        return decorate

    def transaction(
        self,
        options: ExecuteOptions,
        *,
        session: Session | None = None,
        **settings: Unpack[TransactionSettings],
    ) -> TransactionBlock:
        """Run a block so that claim, its writes and its result commit together.

        See TransactionBlock; guarantees and errors are those of `execute_in_transaction`.
        """
        self.check_open()
        check_options(options)
        with self._settings.watch("transaction", options) as watch:
            plan = self._settings.plan_transaction(options, None, settings, watch)
            given = None if session is None else plain_session(session)
        return TransactionBlock(self, plan, self._database.schema, self._sessions, given)

    def execute_in_transaction(
        self,
        options: ExecuteOptions,
        executor: Callable[[Session], T],
        *,
        session: Session | None = None,
        **settings: Unpack[TransactionSettings],
    ) -> T:
        """Run `executor(session)` so that claim, its writes and its result commit together.

        Exactly once, for what it writes through `session`; effects elsewhere are not covered.
        Without a `session` the tracker opens one, commits it, and repeats the whole transaction
        after a serialization failure or deadlock, so `executor` may be called again after its
        writes were undone. With the host's session it joins the host's transaction: it never
        begins, commits or closes it, and what it did stands or falls with the host's commit.

        Where `executor` raises, its writes are undone, the failure is recorded in the same
        transaction, and the exception reaches the caller unchanged. `executor` must not commit or
        roll back: TransactionControlError. A duplicate waits for the first one's transaction, at
        most `wait_timeout`, then gets ExecutionInProgressError. At REPEATABLE READ or stricter a
        conflict in the host's session is TransientStorageError: repeat the host's transaction.
        Otherwise raises as `execute` does.
        """
        self.check_open()
        refuse_asynchronous(executor)
        check_options(options)
        watch = self._settings.watch("execute_in_transaction", options)
        with entered(options.execution_id), watch:
            plan = self._settings.plan_transaction(options, executor, settings, watch)
            schema = self._database.schema
            if session is not None:
                session = plain_session(session)
                joined = execute_in_transaction(plan, schema, owned=False)
                return cast("T", watch.ended(self.drive(joined, session)).data)
            with own_session(self._sessions) as own:
                flow = execute_in_transaction(plan, schema, owned=True)
                return cast("T", watch.ended(self.drive(flow, own)).data)


_shared: ExecutionTracker | None = None
_shared_lock = threading.Lock()


def get_execution_tracker() -> ExecutionTracker:
    """Return the process's shared tracker, made from the environment at the first call.

    Reads EXEC_TRACKER_DATABASE_URL, then DATABASE_URL; raises ConfigurationError where neither is
    set or usable.
    """
    global _shared  # noqa: PLW0603 # the one lazily made singleton
    with _shared_lock:
        if _shared is None:
            _shared = ExecutionTracker(require_database_url())
        return _shared


def reset_execution_tracker() -> None:
    """Close and forget the shared tracker, so that the next call reads the environment again."""
    global _shared  # as above
    with _shared_lock:
        tracker, _shared = _shared, None
    if tracker is not None:
        tracker.close()

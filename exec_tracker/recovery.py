"""The verbs that create, finish, decide, reset or remove an execution by hand.

Each is: read, decide by the pure rules, one guarded statement; where the row has changed in
between, the same again. So no verb holds a lock while it thinks, and all of them work on a single
autocommitted connection as well as inside a host's transaction.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from exec_tracker.codec import UnstorableValueError, storable_json
from exec_tracker.errors import (
    ConfigurationError,
    ExecutionExistsError,
    ExecutionNotFoundError,
    IllegalTransitionError,
    ResultNotStorableError,
    TransientStorageError,
)
from exec_tracker.failures import failure_from_text
from exec_tracker.fingerprint import same_json
from exec_tracker.transitions import check_verb
from exec_tracker.types import Execution, ExecutionStatus, check_execution_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from exec_tracker.repository import Claim, ExecutionRepository, Failure, NewExecution
    from exec_tracker.types import ExecutionAttempt

# Each try loses only to another writer that got through; ten in a row means a storm on one key.
_TRIES = 10
UNSET: Any = object()  # where None is a result
_ENDED = frozenset({str(ExecutionStatus.COMPLETED), str(ExecutionStatus.FAILED)})


def read(executions: ExecutionRepository, execution_id: str) -> Execution | None:
    """Read one execution, or None."""
    return executions.read(check_execution_id(execution_id))


def read_attempts(executions: ExecutionRepository, execution_id: str) -> list[ExecutionAttempt]:
    """Read the history of one execution, oldest attempt first."""
    return executions.attempts(check_execution_id(execution_id))


def create(executions: ExecutionRepository, new: NewExecution) -> Execution:
    """Insert a pending execution.

    Raises ExecutionExistsError where the key is used, with the execution only for its own user.
    """
    created = executions.insert(new)
    if created is not None:
        return created
    standing = executions.read(new.id)
    mine = standing is not None and standing.user_id == new.user_id
    raise ExecutionExistsError(
        f"There is already an execution with id {new.id!r}.", execution=standing if mine else None
    )


def find(executions: ExecutionRepository, execution_id: str) -> Execution:
    """Read an execution that must be there, or raise ExecutionNotFoundError."""
    seen = executions.read(check_execution_id(execution_id))
    if seen is None:
        raise ExecutionNotFoundError(f"There is no execution with id {execution_id!r}.")
    return seen


def mark_running(executions: ExecutionRepository, execution_id: str, claim: Claim) -> Execution:
    """Claim a pending or failed execution by hand; its snapshot carries the token."""

    def step(seen: Execution) -> Execution | None:
        if seen.claim_token == claim.token:
            return seen  # an earlier try got through, and its answer was lost
        check_verb("mark_running", seen)
        return executions.take_over(seen, claim, None)

    return _settle(executions, execution_id, step)


def mark_completed(
    executions: ExecutionRepository, execution_id: str, result: Any, token: UUID | str | None = None
) -> Execution:
    """Store a result from wherever the work ended; the same result again changes nothing."""
    return _complete("mark_completed", executions, execution_id, result, check_token(token))


def resolve(
    executions: ExecutionRepository,
    execution_id: str,
    result: Any,
    error: str | None,
    *,
    retryable: bool = True,
) -> Execution:
    """Decide an abandoned execution: it happened with this result, or failed with this error."""
    if (result is UNSET) == (error is None):
        raise ConfigurationError("resolve needs either result= or error=, and not both.")
    if error is None:
        return _complete("resolve", executions, execution_id, result, None)
    failure = failure_from_text(error, retryable=retryable)
    return _fail("resolve", executions, execution_id, failure, None)


def _complete(
    verb: str, executions: ExecutionRepository, execution_id: str, result: Any, token: UUID | None
) -> Execution:
    text = _result_json(result)

    def step(seen: Execution) -> Execution | None:
        if seen.status is ExecutionStatus.COMPLETED:
            return _same_result(verb, seen, text)
        check_verb(verb, seen, token)
        if token is not None and seen.status is ExecutionStatus.RUNNING:
            return executions.complete(execution_id, token, text)
        return executions.complete_unclaimed(seen, text)

    return _settle(executions, execution_id, step)


def mark_failed(
    executions: ExecutionRepository,
    execution_id: str,
    error_message: str,
    *,
    retryable: bool = True,
    retry_delay: timedelta | None = None,
    token: UUID | str | None = None,
) -> Execution:
    """Store a failure from wherever the work ended, and the attempt in the history."""
    failure = failure_from_text(error_message, retryable=retryable, retry_delay=retry_delay)
    return _fail("mark_failed", executions, execution_id, failure, check_token(token))


def _fail(
    verb: str,
    executions: ExecutionRepository,
    execution_id: str,
    failure: Failure,
    token: UUID | None,
) -> Execution:
    def step(seen: Execution) -> Execution | None:
        check_verb(verb, seen, token)
        if token is not None and seen.status is ExecutionStatus.RUNNING:
            return executions.fail(execution_id, token, failure)
        return executions.fail_unclaimed(seen, failure)

    return _settle(executions, execution_id, step)


def reset(executions: ExecutionRepository, execution_id: str) -> Execution:
    """Make a failed or abandoned execution pending, so that the next call runs it."""

    def step(seen: Execution) -> Execution | None:
        check_verb("reset", seen)
        return executions.reset(seen)

    return _settle(executions, execution_id, step)


def erase(executions: ExecutionRepository, execution_id: str) -> Execution:
    """Blank an execution's result, parameters and errors for good; its key stays used."""
    erased = executions.erase(check_execution_id(execution_id))
    if erased is not None:
        return erased
    seen = find(executions, execution_id)
    raise IllegalTransitionError(
        f"Execution {execution_id!r} is {seen.status}; only what is not running can be erased.",
        execution=seen,
    )


def delete(executions: ExecutionRepository, execution_id: str) -> None:
    """Delete an execution and its history, which frees its key."""
    if executions.delete(check_execution_id(execution_id)):
        return
    seen = find(executions, execution_id)
    raise IllegalTransitionError(
        f"Execution {execution_id!r} is running under a live lease and cannot be deleted.",
        execution=seen,
    )


def _settle(
    executions: ExecutionRepository,
    execution_id: str,
    step: Callable[[Execution], Execution | None],
) -> Execution:
    for _ in range(_TRIES):
        settled = step(find(executions, execution_id))
        if settled is not None:
            return settled
    raise TransientStorageError(
        f"Execution {execution_id!r} was changed by others at every try; try again."
    )


def _same_result(verb: str, seen: Execution, text: str) -> Execution:
    if seen.erased_at is None and same_json(seen.result, json.loads(text)):
        return seen
    raise IllegalTransitionError(
        f"{verb} is not possible for execution {seen.id!r}: it is completed with another result.",
        execution=seen,
    )


def _result_json(result: Any) -> str:
    try:
        return storable_json(result)
    except UnstorableValueError as exc:
        raise ResultNotStorableError(
            f"The result cannot be stored: {exc}. Nothing was changed.", result=result
        ) from exc


def check_purge(statuses: Sequence[ExecutionStatus | str], batch_size: int) -> list[str]:
    """Return the statuses to purge, or raise ConfigurationError: only what has ended may go."""
    wanted = [str(status) for status in statuses]
    if not wanted or not set(wanted) <= _ENDED:
        raise ConfigurationError("purge takes completed and failed executions only.")
    if batch_size < 1:
        raise ConfigurationError("batch_size must be at least 1.")
    return wanted


def check_token(token: UUID | str | None) -> UUID | None:
    """Return the claim token as a UUID, or raise ConfigurationError."""
    if token is None or isinstance(token, UUID):
        return token
    try:
        return UUID(token)
    except (ValueError, AttributeError, TypeError):
        raise ConfigurationError(f"claim_token must be a UUID, not {token!r}.") from None


def ensure_user(executions: ExecutionRepository, user_id: UUID | str) -> None:
    """Insert a user into a standalone database's `auth.users`, unless it is there."""
    try:
        user = UUID(user_id) if isinstance(user_id, str) else user_id
    except ValueError:
        raise ValueError(f"user_id must be a UUID, not {user_id!r}") from None
    executions.ensure_user(user)

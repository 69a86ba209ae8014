"""What the mutations put in the place of our own code."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock
from uuid import UUID

from exec_tracker import sessions, statements, transitions
from exec_tracker.flow.commands import Invoke
from exec_tracker.flow.saving import save_failure, save_result
from exec_tracker.repository import Claim, ExecutionRepository
from exec_tracker.statements.rendering import _SHARED  # the part that one mutation leaves out
from exec_tracker.types import Execution, ExecutionStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


_THE_ONE = UUID(int=1 << 64)  # which the first contender would have made for itself
ANY_CLAIM = "e.id = CAST(:id AS text) AND e.status = 'running'"
NO_LEASE = _SHARED["unchanged"].split("AND (e.status <> 'running'")[0].rstrip()
LEASE_ONLY = """e.id = CAST(:id AS text) AND (e.status <> 'running' OR
    e.lease_expires_at IS NULL OR e.lease_expires_at <= clock_timestamp())"""
assert len(NO_LEASE) < len(_SHARED["unchanged"])


def statement(name: str, *changes: tuple[str, str]) -> Callable[[], AbstractContextManager[Any]]:
    """Change a statement's SQL, or fail where there is nothing to change."""
    original = getattr(statements, name)
    sql = original.sql
    for old, new in changes:
        assert old in sql, f"{name} has no {old!r} to change"
        sql = sql.replace(old, new)
    return lambda: mock.patch.object(statements, name, replace(original, sql=sql))


def patched(target: Any, name: str, value: Any) -> Callable[[], AbstractContextManager[Any]]:
    """Put a value in an attribute's place."""
    return lambda: mock.patch.object(target, name, value)


def _select_then_insert(
    self: ExecutionRepository, new: Any, claim: Claim | None
) -> Execution | None:
    if self.read(new.id) is not None:
        return None
    return _ORIGINAL_INSERT(self, new, claim)


_ORIGINAL_INSERT = ExecutionRepository.insert


@contextmanager
def select_first() -> Iterator[None]:
    """Claim by SELECT, then a plain INSERT."""
    plain = statement("INSERT_EXECUTION", ("ON CONFLICT (id) DO NOTHING", ""))
    with plain(), mock.patch.object(ExecutionRepository, "insert", _select_then_insert):
        yield


def one_token(self: Any) -> Claim:
    """Make claims that all carry one token."""
    return Claim(_THE_ONE, self.claimed_by, self.lease)


def saving_in_the_try(plan_: Any, held: Any, lease: Any) -> Any:
    """Treat a failure to save as a failure of the function."""
    invoke = Invoke(plan_.executor, plan_.context(held, lease))
    try:
        value = yield invoke
        return (yield from save_result(plan_, held, value))
    except GeneratorExit:
        raise
    except BaseException as exc:
        yield from save_failure(plan_, held, exc, started=invoke.started)
        raise


_ORIGINAL_CONFLICT = transitions._conflict  # noqa: SLF001 # what is mutated is private


def conflict_if_completed(claimant: Any, seen: Execution) -> Any:
    """Compare requests only where there is a result to replay."""
    if seen.status is ExecutionStatus.COMPLETED:
        return _ORIGINAL_CONFLICT(claimant, seen)
    return None


def abandoned_by_our_clock(self: Execution) -> bool:
    """Compare the lease with a client's clock that is fast."""
    ours = datetime.now(UTC) + timedelta(hours=1)  # a client whose clock is fast
    if self.status is ExecutionStatus.RUNNING:
        return self.lease_expires_at is not None and self.lease_expires_at <= ours
    return bool((self.error or {}).get("outcome_unknown"))


def nothing_is_ours(_held: Any, _text: str) -> Any:
    """Forget an earlier write of our own."""
    return None
    yield


_ORIGINAL_DECIDE = transitions.decide


def decide_without_mine(claimant: Any, policy: Any, seen: Execution) -> Any:
    """Take one's own claim for somebody else's."""
    decision = _ORIGINAL_DECIDE(claimant, policy, seen)
    return transitions.InProgress() if isinstance(decision, transitions.Mine) else decision


def commit_before_lending(session: Any) -> Any:
    """Commit the claim before the function runs."""
    session.commit()
    return sessions.Loan(session)


def undo_nothing(_session: Any, loan: Any) -> bool:
    """Keep what a failed function wrote."""
    loan.keep()
    return True


@contextmanager
def lease_from_now() -> Iterator[None]:
    """Begin a lease when its transaction began."""
    frozen = _SHARED["lease_end"].replace("clock_timestamp()", "now()")
    with statement("TAKE_OVER", ("{lease_end}", frozen))():
        yield

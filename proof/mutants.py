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
from exec_tracker.flow.saving import save_failure, save_result, withdraw
from exec_tracker.repository import Claim, ExecutionRepository
from exec_tracker.statements import CLAIM_EXECUTION
from exec_tracker.statements.rendering import _SHARED  # the part that one mutation leaves out
from exec_tracker.types import Execution, ExecutionStatus
from proof.cooperation import current_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from exec_tracker.snapshots import StoredRow
    from proof.world import World

    Applied = Callable[[World], AbstractContextManager[Any]]

_THE_ONE = UUID(int=1 << 64)  # which the first contender would have made for itself
ANY_CLAIM = "e.id = CAST(:id AS text) AND e.status || '' = 'running'"
NO_LEASE = _SHARED["unchanged"].split("AND (e.status <> 'running'")[0].rstrip()
LEASE_ONLY = """e.id = CAST(:id AS text) AND (e.status <> 'running' OR
    e.lease_expires_at IS NULL OR e.lease_expires_at <= clock_timestamp())"""
assert len(NO_LEASE) < len(_SHARED["unchanged"])


def changed(what: str, sql: str, changes: tuple[tuple[str, str], ...]) -> str:
    """Return other SQL, or fail where there is nothing to change."""
    for old, new in changes:
        assert old in sql, f"{what} has no {old!r} to change"
        sql = sql.replace(old, new)
    return sql


def statement(name: str, *changes: tuple[str, str]) -> Applied:
    """Change a statement's SQL."""
    original = getattr(statements, name)
    other = replace(original, sql=changed(name, original.sql, changes))
    return lambda _: mock.patch.object(statements, name, other)


def function(name: str, *changes: tuple[str, str]) -> Applied:
    """Change the body of a function of the schema's."""

    @contextmanager
    def applied(world: World) -> Iterator[None]:
        original = world.stage.definition(name)
        world.stage.define(changed(name, original, changes))
        try:
            yield
        finally:
            world.stage.define(original)

    return applied


def patched(target: Any, name: str, value: Any) -> Applied:
    """Put a value in an attribute's place."""
    return lambda _: mock.patch.object(target, name, value)


_ORIGINAL_CLAIM = ExecutionRepository.claim_row


def claim_anew(self: ExecutionRepository, new: Any, claim: Claim) -> StoredRow | None:
    """Repeat a claim whose answer was lost under another token than before."""
    turns = current_turns()
    assert turns is not None
    tries = sum(CLAIM_EXECUTION.name in str(entry) for entry in turns.history)
    other = replace(claim, token=UUID(int=claim.token.int + 1000 * tries))
    return _ORIGINAL_CLAIM(self, new, other)


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


def withdraw_as_fresh(plan_: Any, pursuit: Any, interrupt: BaseException) -> Any:
    """Forget, when a claim is interrupted, that it displaced an unknown outcome."""
    return withdraw(plan_, replace(pursuit, over_unknown=False), interrupt)


def fail_as_fresh(plan_: Any, held: Any, error: BaseException, **settings: Any) -> Any:
    """Forget, when a caller is interrupted before the function, what the claim displaced."""
    return save_failure(plan_, replace(held, over_unknown=False), error, **settings)


def fail_as_unstarted(plan_: Any, held: Any, error: BaseException, **settings: Any) -> Any:
    """Take a function that was interrupted for one that had not begun."""
    return save_failure(plan_, held, error, **{**settings, "started": False})


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


def commit_before_lending(session: Any) -> Any:
    """Commit the claim before the function runs."""
    session.commit()
    return sessions.Loan(session)


def undo_nothing(_session: Any, loan: Any) -> bool:
    """Keep what a failed function wrote."""
    loan.keep()
    return True


LEASE_FROM_NOW = _SHARED["lease_end"].replace("clock_timestamp()", "now()")

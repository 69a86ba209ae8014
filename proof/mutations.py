"""Mutations of our own protocol, applied in this process only: the proof must see each of them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock
from uuid import UUID

from exec_tracker import sessions, statements, transitions
from exec_tracker.flow import claiming, plan, running, saving
from exec_tracker.flow.commands import Invoke
from exec_tracker.flow.saving import save_failure, save_result
from exec_tracker.repository import Claim, ExecutionRepository
from exec_tracker.statements.rendering import _SHARED  # the part that one mutation leaves out
from exec_tracker.types import Execution, ExecutionStatus
from proof.cast import contender, further_actors
from proof.explorer import Explorer
from proof.long_transaction import claim_in_a_long_transaction
from proof.world import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from proof.cast import Role
    from proof.cooperation import Turn
    from proof.world import World

_THE_ONE = UUID(int=1 << 64)  # which the first contender would have made for itself
_ANY_CLAIM = "e.id = CAST(:id AS text) AND e.status = 'running'"
_NO_LEASE = _SHARED["unchanged"].split("AND (e.status <> 'running'")[0].rstrip()
_LEASE_ONLY = """e.id = CAST(:id AS text) AND (e.status <> 'running' OR
    e.lease_expires_at IS NULL OR e.lease_expires_at <= clock_timestamp())"""
assert len(_NO_LEASE) < len(_SHARED["unchanged"])


@dataclass(frozen=True, slots=True)
class Mutation:
    """One way to get the protocol wrong, and the schedules among which it must show."""

    name: str
    applied: Callable[[], AbstractContextManager[Any]]
    scenarios: tuple[Scenario, ...] = ()
    check: Callable[[World], str | None] | None = None


def _statement(name: str, *changes: tuple[str, str]) -> Callable[[], AbstractContextManager[Any]]:
    original = getattr(statements, name)
    sql = original.sql
    for old, new in changes:
        assert old in sql, f"{name} has no {old!r} to change"
        sql = sql.replace(old, new)
    return lambda: mock.patch.object(statements, name, replace(original, sql=sql))


def _patched(target: Any, name: str, value: Any) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: mock.patch.object(target, name, value)


def _select_then_insert(
    self: ExecutionRepository, new: Any, claim: Claim | None
) -> Execution | None:
    if self.read(new.id) is not None:
        return None
    return _ORIGINAL_INSERT(self, new, claim)


_ORIGINAL_INSERT = ExecutionRepository.insert


@contextmanager
def _select_first() -> Iterator[None]:
    plain = _statement("INSERT_EXECUTION", ("ON CONFLICT (id) DO NOTHING", ""))
    with plain(), mock.patch.object(ExecutionRepository, "insert", _select_then_insert):
        yield


def _one_token(self: Any) -> Claim:
    return Claim(_THE_ONE, self.claimed_by, self.lease)


def _saving_in_the_try(plan_: Any, held: Any, lease: Any) -> Any:
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


def _conflict_if_completed(claimant: Any, seen: Execution) -> Any:
    if seen.status is ExecutionStatus.COMPLETED:
        return _ORIGINAL_CONFLICT(claimant, seen)
    return None


def _abandoned_by_our_clock(self: Execution) -> bool:
    ours = datetime.now(UTC) + timedelta(hours=1)  # a client whose clock is fast
    if self.status is ExecutionStatus.RUNNING:
        return self.lease_expires_at is not None and self.lease_expires_at <= ours
    return bool((self.error or {}).get("outcome_unknown"))


def _nothing_is_ours(_held: Any, _text: str) -> Any:
    return None
    yield


_ORIGINAL_DECIDE = transitions.decide


def _decide_without_mine(claimant: Any, policy: Any, seen: Execution) -> Any:
    decision = _ORIGINAL_DECIDE(claimant, policy, seen)
    return transitions.InProgress() if isinstance(decision, transitions.Mine) else decision


def _commit_before_lending(session: Any) -> Any:
    session.commit()
    return sessions.Loan(session)


def _undo_nothing(_session: Any, loan: Any) -> bool:
    loan.keep()
    return True


def _two(mode: str, *more: Role, first: str = "returns") -> tuple[Role, ...]:
    name = "raises" if first == "raises" else "A"
    return (contender(name, mode, first), contender("B", mode), *more)


def _scenario(state: str, *roles: Role, faults: tuple[Turn, ...] = ()) -> Scenario:
    return Scenario(state, roles, faults, frozenset({"A"}), guard=False)


_FURTHER = further_actors()
_EXTERNAL, _AGAIN, _TRANSACTIONAL = "external", "at least once", "transactional"
_LATE_OWNER = _scenario(
    "running, expired", contender("A", _AGAIN), _FURTHER["owner"], _FURTHER["heartbeat"]
)
_OWN_LEASE_RENEWED = _scenario("running, expired", contender("A", _AGAIN), _FURTHER["heartbeat"])
_TAKEN_AND_FAILED = _scenario(
    "running, expired",
    contender("A", _AGAIN),
    contender("raises", _AGAIN, "raises"),
    _FURTHER["clock"],
)


@contextmanager
def _lease_from_now() -> Iterator[None]:
    frozen = _SHARED["lease_end"].replace("clock_timestamp()", "now()")
    with _statement("TAKE_OVER", ("{lease_end}", frozen))():
        yield


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a mutation fared: what saw it, without and with the guard of the database."""

    mutation: str
    alone: str | None
    guarded: str | None


def judge_mutation(world: World, mutation: Mutation) -> Verdict:
    """Apply one mutation and search until a promise breaks, without and with the guard."""
    return Verdict(
        mutation.name,
        caught(world, mutation, guard=False),
        caught(world, mutation, guard=True),
    )


def caught(world: World, mutation: Mutation, *, guard: bool) -> str | None:
    """Apply one mutation and say which promise it breaks, if any is seen to break."""
    world.stage.guard(enabled=guard)
    try:
        with mutation.applied():
            return _first_broken(world, mutation)
    finally:
        world.stage.guard(enabled=True)


def _first_broken(world: World, mutation: Mutation) -> str | None:
    if mutation.check is not None:
        return mutation.check(world)
    for scenario in mutation.scenarios:
        broken = Explorer(world, merging=True).explore(scenario).broken
        if broken is not None:
            return broken
    return None


MUTATIONS = (
    Mutation(
        "no token in the completion's WHERE",
        _statement("COMPLETE_CLAIM", ("{mine}", _ANY_CLAIM)),
        (_LATE_OWNER,),
    ),
    Mutation(
        "no token in the failure's WHERE",
        _statement("FAIL_CLAIM", ("{mine}", _ANY_CLAIM)),
        (_TAKEN_AND_FAILED,),
    ),
    Mutation(
        "now() for clock_timestamp() in a long transaction",
        _lease_from_now,
        check=claim_in_a_long_transaction,
    ),
    Mutation(
        "claim by SELECT, then INSERT", _select_first, (_scenario("absent", *_two(_EXTERNAL)),)
    ),
    Mutation(
        "claim by upsert",
        _statement(
            "INSERT_EXECUTION",
            ("DO NOTHING", "DO UPDATE SET claim_token = EXCLUDED.claim_token, status = 'running'"),
        ),
        (_scenario("absent", *_two(_EXTERNAL)),),
    ),
    Mutation(
        "heartbeat without the token",
        _statement(
            "RENEW_LEASES",
            (" AND c.token = e.claim_token", ""),
            (" AND e.claim_token = due.token", ""),
        ),
        (_LATE_OWNER,),
    ),
    Mutation(
        "heartbeat without SKIP LOCKED",
        _statement("RENEW_LEASES", (" SKIP LOCKED", "")),
        (_scenario("absent", *_two(_EXTERNAL), _FURTHER["heartbeat"]),),
    ),
    Mutation(
        "one token for all claims of a key",
        _patched(plan.Plan, "new_claim", _one_token),
        (_scenario("absent", *_two(_EXTERNAL)),),
    ),
    Mutation(
        "saving inside the executor's try",
        _patched(running, "_invoke", _saving_in_the_try),
        (_scenario("absent", *_two(_EXTERNAL), faults=("refuse",)),),
    ),
    Mutation(
        "fingerprint skipped on re-claim",
        _patched(transitions, "_conflict", _conflict_if_completed),
        (
            _scenario(
                "failed, retryable", contender("A", _EXTERNAL), contender("stranger", _EXTERNAL)
            ),
        ),
    ),
    Mutation(
        "lease compared with the client's clock",
        _patched(Execution, "is_abandoned", property(_abandoned_by_our_clock)),
        (_scenario("running, live", *_two(_EXTERNAL)),),
    ),
    Mutation(
        "no lease in the take-over's WHERE",
        _statement("TAKE_OVER", ("{unchanged}", _NO_LEASE)),
        (_OWN_LEASE_RENEWED,),
    ),
    Mutation(
        "only the lease in the take-over's WHERE",
        _statement("TAKE_OVER", ("{unchanged}", _LEASE_ONLY)),
        (_scenario("failed, retryable", *_two(_EXTERNAL)),),
    ),
    Mutation(
        "no lease in the reset's WHERE",
        _statement("RESET_EXECUTION", ("{unchanged}", _NO_LEASE)),
        (_scenario("running, expired", _FURTHER["reset"], _FURTHER["heartbeat"]),),
    ),
    Mutation(
        "no lease in the WHERE of a resolution",
        _statement("COMPLETE_UNCLAIMED", ("{unchanged}", _NO_LEASE)),
        (_scenario("running, expired", _FURTHER["resolve"], _FURTHER["heartbeat"]),),
    ),
    Mutation(
        "no lease in the WHERE of a deletion",
        _statement(
            "DELETE_EXECUTION",
            (
                """
   AND (e.status <> 'running' OR e.lease_expires_at IS NULL
        OR e.lease_expires_at <= clock_timestamp())""",
                "",
            ),
        ),
        (_scenario("absent", *_two(_EXTERNAL), _FURTHER["delete"]),),
    ),
    Mutation(
        "attempts start again after a reset",
        _statement("RESET_EXECUTION", ("retry_at = NULL", "retry_at = NULL, attempt = 0")),
        (_scenario("failed, retryable", contender("A", _EXTERNAL), _FURTHER["reset"]),),
    ),
    Mutation(
        "a take-over does not count",
        _statement("TAKE_OVER", ("e.attempt + CAST(:increment AS integer)", "e.attempt")),
        (_scenario("failed, retryable", *_two(_EXTERNAL)),),
    ),
    Mutation(
        "one's own claim is not recognised after a lost answer",
        _patched(claiming, "decide", _decide_without_mine),
        (_scenario("absent", *_two(_EXTERNAL), faults=("cut",)),),
    ),
    Mutation(
        "one's own completion is not recognised after a lost answer",
        _patched(saving, "_own_earlier_write", _nothing_is_ours),
        (_scenario("absent", *_two(_EXTERNAL), faults=("cut",)),),
    ),
    Mutation(
        "the transaction commits its claim before the function runs",
        _patched(sessions, "lend", _commit_before_lending),
        (_scenario("absent", *_two(_TRANSACTIONAL)),),
    ),
    Mutation(
        "a failed function's writes are kept",
        _patched(sessions, "undo", _undo_nothing),
        (_scenario("absent", *_two(_TRANSACTIONAL, first="raises")),),
    ),
)

"""Mutations of our own protocol, applied in this process only: the proof must see each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exec_tracker import sessions, transitions
from exec_tracker.flow import obtaining, plan, running, saving
from exec_tracker.models.functions import CLAIM_FUNCTION, COMPLETE_FUNCTION
from exec_tracker.repository import ExecutionRepository
from exec_tracker.types import Execution
from proof.cast import further_actors
from proof.contenders import contender
from proof.long_transaction import claim_in_a_long_transaction
from proof.mutants import (
    ANY_CLAIM,
    LEASE_FROM_NOW,
    LEASE_ONLY,
    NO_LEASE,
    abandoned_by_our_clock,
    claim_anew,
    commit_before_lending,
    conflict_if_completed,
    fail_as_fresh,
    fail_as_unstarted,
    function,
    nothing_is_ours,
    one_token,
    patched,
    saving_in_the_try,
    statement,
    undo_nothing,
    withdraw_as_fresh,
)
from proof.mutating import Mutation
from proof.scenario import Scenario

if TYPE_CHECKING:
    from proof.cooperation import Turn
    from proof.roles import Role


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


_INTERRUPTED = _scenario(
    "running, expired",
    contender("A", _AGAIN),
    contender("B", _EXTERNAL),
    faults=("interrupt",),
)


MUTATIONS = (
    Mutation(
        "no token in the completion's WHERE",
        function(COMPLETE_FUNCTION, (" AND e.claim_token = p_token", "")),
        (_LATE_OWNER,),
    ),
    Mutation(
        "no token in the failure's WHERE",
        statement("FAIL_CLAIM", ("{mine}", ANY_CLAIM)),
        (_TAKEN_AND_FAILED,),
    ),
    Mutation(
        "now() for clock_timestamp() in a long transaction",
        statement("TAKE_OVER", ("{lease_end}", LEASE_FROM_NOW)),
        check=claim_in_a_long_transaction,
    ),
    Mutation(
        "claim by SELECT, then INSERT",
        function(
            CLAIM_FUNCTION,
            ("VALUES (p_id", "SELECT p_id"),
            (
                """p_trace_context)
        ON CONFLICT (id) DO NOTHING""",
                """p_trace_context
     WHERE NOT EXISTS (SELECT FROM public.workflow_executions AS s WHERE s.id = p_id)""",
            ),
        ),
        (_scenario("absent", *_two(_EXTERNAL)),),
    ),
    Mutation(
        "claim by upsert",
        function(
            CLAIM_FUNCTION,
            ("DO NOTHING", "DO UPDATE SET claim_token = EXCLUDED.claim_token, status = 'running'"),
        ),
        (_scenario("absent", *_two(_EXTERNAL)),),
    ),
    Mutation(
        "heartbeat without the token",
        statement(
            "RENEW_LEASES",
            (" AND c.token = e.claim_token", ""),
            (" AND e.claim_token = due.token", ""),
        ),
        (_LATE_OWNER,),
    ),
    Mutation(
        "heartbeat without SKIP LOCKED",
        statement("RENEW_LEASES", (" SKIP LOCKED", "")),
        (_scenario("absent", *_two(_EXTERNAL), _FURTHER["heartbeat"]),),
    ),
    Mutation(
        "one token for all claims of a key",
        patched(plan.Plan, "new_claim", one_token),
        (_scenario("absent", *_two(_EXTERNAL)),),
    ),
    Mutation(
        "saving inside the executor's try",
        patched(running, "_invoke", saving_in_the_try),
        (_scenario("absent", *_two(_EXTERNAL), faults=("refuse",)),),
    ),
    Mutation(
        "fingerprint skipped on re-claim",
        patched(transitions, "_conflict", conflict_if_completed),
        (
            _scenario(
                "failed, retryable", contender("A", _EXTERNAL), contender("stranger", _EXTERNAL)
            ),
        ),
    ),
    Mutation(
        "lease compared with the client's clock",
        patched(Execution, "is_abandoned", property(abandoned_by_our_clock)),
        (_scenario("running, live", *_two(_EXTERNAL)),),
    ),
    Mutation(
        "no lease in the take-over's WHERE",
        statement("TAKE_OVER", ("{unchanged}", NO_LEASE)),
        (_OWN_LEASE_RENEWED,),
    ),
    Mutation(
        "only the lease in the take-over's WHERE",
        statement("TAKE_OVER", ("{unchanged}", LEASE_ONLY)),
        (_scenario("failed, retryable", *_two(_EXTERNAL)),),
    ),
    Mutation(
        "no lease in the reset's WHERE",
        statement("RESET_EXECUTION", ("{unchanged}", NO_LEASE)),
        (_scenario("running, expired", _FURTHER["reset"], _FURTHER["heartbeat"]),),
    ),
    Mutation(
        "no lease in the WHERE of a resolution",
        statement("COMPLETE_UNCLAIMED", ("{unchanged}", NO_LEASE)),
        (_scenario("running, expired", _FURTHER["resolve"], _FURTHER["heartbeat"]),),
    ),
    Mutation(
        "no lease in the WHERE of a deletion",
        statement(
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
        statement("RESET_EXECUTION", ("retry_at = NULL", "retry_at = NULL, attempt = 0")),
        (_scenario("failed, retryable", contender("A", _EXTERNAL), _FURTHER["reset"]),),
    ),
    Mutation(
        "a take-over does not count",
        statement("TAKE_OVER", ("e.attempt + CAST(:increment AS integer)", "e.attempt")),
        (_scenario("failed, retryable", *_two(_EXTERNAL)),),
    ),
    Mutation(
        "a claim is repeated under another token after a lost answer",
        patched(ExecutionRepository, "claim_row", claim_anew),
        (_scenario("absent", *_two(_EXTERNAL), faults=("cut",)),),
    ),
    Mutation(
        "one's own completion is not recognised after a lost answer",
        patched(saving, "_own_earlier_write", nothing_is_ours),
        (_scenario("absent", *_two(_EXTERNAL), faults=("cut",)),),
    ),
    Mutation(
        "an interrupt while taking over is a licence to run",
        patched(obtaining, "withdraw", withdraw_as_fresh),
        (_INTERRUPTED,),
    ),
    Mutation(
        "an interrupt between taking over and running is a licence to run",
        patched(running, "save_failure", fail_as_fresh),
        (_INTERRUPTED,),
    ),
    Mutation(
        "an interrupted function counts as one that had not begun",
        patched(running, "save_failure", fail_as_unstarted),
        (
            _scenario(
                "absent",
                contender("interrupted", _EXTERNAL, "interrupted"),
                contender("B", _EXTERNAL),
            ),
        ),
    ),
    Mutation(
        "the transaction commits its claim before the function runs",
        patched(sessions, "lend", commit_before_lending),
        (_scenario("absent", *_two(_TRANSACTIONAL)),),
    ),
    Mutation(
        "a failed function's writes are kept",
        patched(sessions, "undo", undo_nothing),
        (_scenario("absent", *_two(_TRANSACTIONAL, first="raises")),),
    ),
)

"""Who wants the work done: callers in every mode, and those who ask first whether it happened."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from exec_tracker.batching import Batch
from exec_tracker.errors import ExecTrackerError, OutcomeUnknownError
from exec_tracker.flow import execute, execute_in_transaction, execute_many
from exec_tracker.observing import Watch
from exec_tracker.planning import TrackerSettings
from exec_tracker.policies import DidNotHappen, Happened, Unknown
from proof.driving import drive
from proof.labels import HOST_ENDS
from proof.roles import IN_TRANSACTION, LEASE, DeclinedError, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.flow import Plan
    from proof.cooperation import Turns
    from proof.seats import Seat
    from proof.world import World

PATIENCE = timedelta(seconds=120)
ANSWERS: dict[str, Callable[[], Any]] = {
    "it happened": lambda: Happened({"by": "verifier"}),
    "it did not": DidNotHappen,
    "cannot tell": Unknown,
}


def contender(name: str, mode: str, behaviour: str = "returns", **call: Any) -> Role:
    """Make a caller of execute_idempotent or execute_in_transaction."""

    def perform(world: World, seat: Seat, turns: Turns) -> Any:
        settings = TrackerSettings(lease=LEASE, claimed_by=name, save_timeout=PATIENCE)
        other = {"parameters": {"amount": 2}} if name == "stranger" else {}
        options = world.stage.options(**other)
        if mode in IN_TRANSACTION:
            work = partial(_write_effect, world, name, behaviour)
            planned: Any = {"result_type": Any, "wait_timeout": PATIENCE, **call}
            plan = settings.plan_transaction(options, work, planned, Watch(None))
            return _transact(world, seat, turns, plan, mode, behaviour)
        chosen: Any = {"result_type": Any, **call}
        if mode == "at least once":
            chosen["on_abandoned"] = "retry"
        run = partial(_make_effect, world, name, behaviour)
        plan = settings.plan(options, run, world.leases, chosen, Watch(None))
        return drive(turns, seat, execute(plan))

    return Role(name, f"contender, {mode}", perform)


def verifier(name: str, answer: str) -> Role:
    """Make a caller who finds out about an abandoned execution, with this answer."""

    def perform(world: World, seat: Seat, turns: Turns) -> Any:
        settings = TrackerSettings(lease=LEASE, claimed_by=name, save_timeout=PATIENCE)
        chosen: Any = {"result_type": Any, "verify": ANSWERS[answer]}
        run = partial(_make_effect, world, name, "returns")
        options = world.stage.options()
        return drive(
            turns, seat, execute(settings.plan(options, run, world.leases, chosen, Watch(None)))
        )

    return Role(name, "contender, verifying", perform)


def batcher(name: str) -> Role:
    """Make a caller of execute_many, whose batch has this key in it."""

    def perform(world: World, seat: Seat, turns: Turns) -> Any:
        settings = TrackerSettings(lease=LEASE, claimed_by=name, save_timeout=PATIENCE)
        run = partial(_make_effect, world, name, "returns")
        chosen: Any = {"result_type": Any}
        batch = Batch.of(
            settings,
            "execute_many",
            [world.stage.options()],
            lambda options, watch: settings.plan(options, run, world.leases, chosen, watch),
        )
        drive(turns, seat, execute_many(batch.items))
        (outcome,) = batch.outcomes
        return outcome.result or outcome.error

    return Role(name, "contender, external", perform)


def _make_effect(world: World, name: str, behaviour: str, context: Any) -> Any:
    world.begun.append(name)
    if behaviour == "raises":
        raise DeclinedError("declined")
    world.effects.append(name)
    if behaviour == "unknown":
        raise OutcomeUnknownError
    if behaviour == "interrupted":
        raise KeyboardInterrupt
    return {"by": name, "attempt": context.attempt}


def _write_effect(_world: World, name: str, behaviour: str, session: Any) -> Any:
    session.execute(text("INSERT INTO proof_effects (who) VALUES (:who)"), {"who": name})
    if behaviour == "raises":
        raise DeclinedError("declined")
    if behaviour == "interrupted":
        raise KeyboardInterrupt
    return {"by": name}


def _transact(  # noqa: PLR0917 # what a call in a session is made of
    world: World, seat: Seat, turns: Turns, plan: Plan, mode: str, behaviour: str
) -> Any:
    owned = mode == "transactional"
    with world.sessions(seat) as session:
        try:
            answer = drive(turns, seat, execute_in_transaction(plan, None, owned=owned), session)
        except (ExecTrackerError, DeclinedError):
            if not owned:
                _end_as_host(turns, session, "commits")
            raise
        if not owned:
            _end_as_host(turns, session, behaviour)
            if behaviour == "rolls back":
                return None
        return answer


def _end_as_host(turns: Turns, session: Any, behaviour: str) -> None:
    turns.gate(HOST_ENDS)
    if behaviour == "rolls back":
        session.rollback()
    else:
        session.commit()
    turns.history.append("ended")

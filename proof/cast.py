"""Who acts on the key: contenders in every mode, and the further actors, as the flows they run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from exec_tracker import recovery, sessions
from exec_tracker.errors import ExecTrackerError, OutcomeUnknownError
from exec_tracker.flow import (
    Ask,
    EscapedStopError,
    Held,
    Invoke,
    Lend,
    Poll,
    Sleep,
    Within,
    execute,
    execute_in_transaction,
    save_result,
)
from exec_tracker.leases import HeldLease
from exec_tracker.observing import Watch
from exec_tracker.planning import TrackerSettings
from exec_tracker.repository import Claim, ExecutionRepository
from exec_tracker.types import Execution, ExecutionStatus
from proof.cooperation import Turns, VanishedError
from proof.labels import COMMITS, HOST_ENDS, RUNS, TIME_PASSES
from proof.seats import lost_answer
from proof.stage import KEY, LEASE_SECONDS, OWNER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from exec_tracker.flow import Plan
    from proof.seats import Seat
    from proof.world import World

LEASE = timedelta(seconds=LEASE_SECONDS)
_PATIENCE = timedelta(seconds=120)
MODES = ("external", "at least once", "transactional", "host's session")
IN_TRANSACTION = ("transactional", "host's session")


class DeclinedError(Exception):
    """The function failed, and nothing has happened."""


@dataclass(frozen=True, slots=True)
class Role:
    """What an actor is: its name in reports, and the work it does when given turns."""

    name: str
    kind: str
    perform: Callable[[World, Seat, Turns], Any]


def drive(
    turns: Turns, seat: Seat, flow: Generator[Any, Any, Any], session: Any = None
) -> tuple[Any, ...] | Any:
    """Give a flow what it asks for, one turn at a time; time is never slept."""
    answer: Any = None
    step: Any = flow.send
    while True:
        try:
            command = step(answer)
        except StopIteration as done:
            return done.value
        except EscapedStopError as escaped:
            raise escaped.error from None
        try:
            answer, step = _answer(turns, seat, command, session), flow.send
        except BaseException as exc:  # noqa: BLE001 # the flow decides about all but the end of all
            if turns.has_vanished:
                flow.close()
                raise VanishedError from None
            answer, step = exc, flow.throw


def _answer(  # noqa: PLR0911 # one return per command, as in the tracker's own shells
    turns: Turns, seat: Seat, command: Any, session: Any
) -> Any:
    match command:
        case Ask(method, arguments):
            return method(seat.repository(), *arguments)
        case Poll(execution_id, _):
            return ExecutionRepository.read(seat.repository(), execution_id)
        case Sleep():
            return None
        case Invoke(function, context):
            turns.gate(RUNS)
            command.started = True
            return function(context)
        case Lend(function) if function is not None:
            turns.gate(RUNS)
            return function(session)
        case Within(core, arguments) if core is sessions.commit:
            return _commit(turns, seat, session)
        case Within(core, arguments):
            return core(session, *arguments)
    raise AssertionError(command)


def _commit(turns: Turns, seat: Seat, session: Any) -> None:
    turn = turns.gate(COMMITS)
    if turn == "drop":
        seat.kill_session(session)
        raise lost_answer()
    sessions.commit(session)
    turns.history.append("committed")
    if turn == "cut":
        raise lost_answer()


def contender(name: str, mode: str, behaviour: str = "returns", **call: Any) -> Role:
    """Make a caller of execute_idempotent or execute_in_transaction."""

    def perform(world: World, seat: Seat, turns: Turns) -> Any:
        settings = TrackerSettings(lease=LEASE, claimed_by=name, save_timeout=_PATIENCE)
        other = {"parameters": {"amount": 2}} if name == "stranger" else {}
        options = world.stage.options(**other)
        if mode in IN_TRANSACTION:
            work = partial(_write_effect, world, name, behaviour)
            planned: Any = {"result_type": Any, "wait_timeout": _PATIENCE, **call}
            plan = settings.plan_transaction(options, work, planned, Watch(None))
            return _transact(world, seat, turns, plan, mode, behaviour)
        chosen: Any = {"result_type": Any, **call}
        if mode == "at least once":
            chosen["on_abandoned"] = "retry"
        run = partial(_make_effect, world, name, behaviour)
        plan = settings.plan(options, run, world.leases, chosen, Watch(None))
        return drive(turns, seat, execute(plan))

    return Role(name, f"contender, {mode}", perform)


def _make_effect(world: World, name: str, behaviour: str, context: Any) -> Any:
    world.begun.append(name)
    if behaviour == "raises":
        raise DeclinedError("declined")
    world.effects.append(name)
    if behaviour == "unknown":
        raise OutcomeUnknownError
    return {"by": name, "attempt": context.attempt}


def _write_effect(_world: World, name: str, behaviour: str, session: Any) -> Any:
    session.execute(text("INSERT INTO proof_effects (who) VALUES (:who)"), {"who": name})
    if behaviour == "raises":
        raise DeclinedError("declined")
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


def owner() -> Role:
    """Make the owner of the claim that stood at the beginning: late, but not dead."""

    def perform(world: World, seat: Seat, turns: Turns) -> Any:
        turns.gate(RUNS)
        world.effects.append("owner")
        settings = TrackerSettings(lease=LEASE, save_timeout=_PATIENCE)
        plan = settings.plan(
            world.stage.options(), dict, world.leases, {"result_type": Any}, Watch(None)
        )
        held = Held(_standing(world), Claim(OWNER_TOKEN, "owner", LEASE), 0.0)
        return drive(turns, seat, save_result(plan, held, {"by": "owner"}))

    return Role("owner", "owner", perform)


def _standing(world: World) -> Execution:
    now = datetime.now(UTC)
    return Execution(
        id=KEY,
        workflow_id="payments",
        user_id=world.stage.user_id,
        status=ExecutionStatus.RUNNING,
        attempt=1,
        claim_token=OWNER_TOKEN,
        created_at=now,
        updated_at=now,
        observed_at=now,
    )


def heartbeat(beats: int = 1) -> Role:
    """Make the heartbeat of everybody's leases, the late owner's included."""

    def perform(world: World, seat: Seat, turns: Turns) -> Any:
        for _ in range(beats):
            turns.gate("see which leases are held")
            held = list(world.leases.held.values())
            turns.history.append(tuple(str(entry.token) for entry in held))
            if held:
                claims = [(entry.execution_id, entry.token, entry.lease) for entry in held]
                answer = ExecutionRepository.renew(seat.repository(), claims)
                for entry in held:
                    entry.lost = answer.get(entry.token) is False

    return Role("heartbeat", "heartbeat", perform)


def verb(name: str, core: Callable[[Any], Any]) -> Role:
    """Make somebody who calls one verb, once."""

    def perform(_world: World, seat: Seat, _turns: Turns) -> Any:
        return core(seat.repository())

    return Role(name, name, perform)


def clock() -> Role:
    """Make time pass: more than a lease, at one moment."""

    def perform(world: World, seat: Seat, turns: Turns) -> None:
        turns.gate(TIME_PASSES)
        world.pass_time(seat, turns, LEASE_SECONDS + 1)
        turns.history.append("passed")

    return Role("clock", "clock", perform)


def further_actors() -> dict[str, Role]:
    """Return everybody who may come between two contenders."""
    nothing = timedelta(0)
    verbs: dict[str, Callable[[Any], Any]] = {
        "purge": lambda repository: repository.purge(nothing, ["completed"], 10),
        "reset": lambda repository: recovery.reset(repository, KEY),
        "resolve": lambda repository: recovery.resolve(repository, KEY, {"by": "resolve"}, None),
        "resolve as failed": lambda repository: recovery.resolve(
            repository, KEY, recovery.UNSET, "it did not happen"
        ),
        "delete": lambda repository: recovery.delete(repository, KEY),
        "erase": lambda repository: recovery.erase(repository, KEY),
        "webhook": lambda repository: recovery.mark_completed(repository, KEY, {"by": "webhook"}),
    }
    actors = {name: verb(name, core) for name, core in verbs.items()}
    return {"heartbeat": heartbeat(), "owner": owner(), "clock": clock(), **actors}


def renamed(role: Role, name: str) -> Role:
    """Return the same role under another name."""
    return replace(role, name=name)


class Leases:
    """The leases that contenders hold: renewed by the heartbeat's turns and by nothing else."""

    def __init__(self) -> None:
        self.held: dict[Any, HeldLease] = {}

    def hold(self, execution_id: str, token: Any, lease: timedelta, since: float) -> HeldLease:
        """Note a lease."""
        entry = HeldLease(execution_id, token, lease, since)
        self.held[token] = entry
        return entry

    def release(self, entry: HeldLease) -> None:
        """Forget a lease."""
        self.held.pop(entry.token, None)

    def beat_now(self, entry: HeldLease) -> None:
        """Do nothing: no function here asks for it."""

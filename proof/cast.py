"""Who else acts on the key: a late owner, the heartbeat, the clock, and whoever calls a verb."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from exec_tracker import recovery
from exec_tracker.flow import Held, save_result
from exec_tracker.leases import HeldLease
from exec_tracker.observing import Watch
from exec_tracker.planning import TrackerSettings
from exec_tracker.repository import Claim, ExecutionRepository
from exec_tracker.types import Execution, ExecutionStatus
from proof.contenders import ANSWERS, PATIENCE, batcher, verifier
from proof.driving import drive
from proof.labels import RUNS, SEES, TIME_PASSES
from proof.roles import LEASE, Role
from proof.stage import KEY, LEASE_SECONDS, OWNER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from proof.cooperation import Turns
    from proof.seats import Seat
    from proof.world import World


def owner() -> Role:
    """Make the owner of the claim that stood at the beginning: late, but not dead."""

    def perform(world: World, seat: Seat, turns: Turns) -> Any:
        turns.gate(RUNS)
        world.effects.append("owner")
        settings = TrackerSettings(lease=LEASE, save_timeout=PATIENCE)
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
            turns.gate(SEES)
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
    verifiers = {f"verifier: {answer}": verifier("verifier", answer) for answer in ANSWERS}
    others = {"heartbeat": heartbeat(), "owner": owner(), "clock": clock()}
    return {**others, "batch": batcher("batch"), **actors, **verifiers}


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

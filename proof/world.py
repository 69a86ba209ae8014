"""Everything a schedule runs in: the stage, the seats, and time that stands still."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock
from uuid import UUID

from exec_tracker import repository
from exec_tracker.fingerprint import fingerprint
from exec_tracker.flow import plan
from proof.cast import Leases
from proof.cooperation import Monitor, Turn, Turns, VanishedError, cooperative, current_turns
from proof.labels import COMMITS, HOST_ENDS, is_statement, may_wait
from proof.roles import LEASE, Role
from proof.seats import Seat, gated_sessions
from proof.stage import KEY, OWNER_TOKEN, Stage, add_user

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from sqlalchemy.engine import Dialect
    from sqlalchemy.orm import Session

    from proof.scenario import Choice, Scenario


_SHIFT = """
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE workflow_executions
   SET created_at = created_at - %(s)s * interval '1 s',
       updated_at = updated_at - %(s)s * interval '1 s',
       started_at = started_at - %(s)s * interval '1 s',
       completed_at = completed_at - %(s)s * interval '1 s',
       lease_expires_at = lease_expires_at - %(s)s * interval '1 s',
       retry_at = retry_at - %(s)s * interval '1 s'
"""


@dataclass(slots=True)
class Actor:
    """One role in one schedule."""

    role: Role
    turns: Turns
    seat: Seat


class World:
    """One database with one key, on which schedules are run one after the other."""

    def __init__(self, url: str) -> None:
        self.stage = Stage(url, add_user(url))
        self.stage.fingerprint = fingerprint(self.stage.options().canonical, None)
        self.url = url
        self._monitor = Monitor(url)
        self._seats: list[Seat] = []
        self.actors: list[Actor] = []
        self.leases = Leases()
        self.effects: list[str] = []
        self.begun: list[str] = []
        self._now = 0.0
        self._faults_left = 0
        self.fault_struck = False
        self._scenario: Scenario | None = None

    @property
    def dialect(self) -> Dialect:
        """The dialect of every connection here."""
        return self.seat(0).engine.dialect

    def seat(self, index: int) -> Seat:
        """Return one client's place, making those that are missing."""
        while len(self._seats) <= index:
            self._seats.append(Seat(self.url, self._monitor))
        return self._seats[index]

    @contextmanager
    def open(self) -> Iterator[World]:
        """Be the only world: time stands still, tokens are foreseeable, actors take turns."""
        with ExitStack() as stack:
            stack.callback(self._close)
            stack.enter_context(cooperative(self._monitor))
            stack.enter_context(gated_sessions())
            for module in _flow_modules():
                stack.enter_context(mock.patch.object(module, "monotonic", self.now))
            for module in (plan, repository):
                stack.enter_context(mock.patch.object(module, "new_token", self._token))
            yield self

    def _close(self) -> None:
        for seat in self._seats:
            seat.close()
        self._monitor.close()
        self.stage.close()

    def _token(self) -> UUID:
        turns = current_turns()
        number = len(turns.history) if turns else 0
        index = next((i for i, one in enumerate(self.actors) if one.turns is turns), 99)
        return UUID(int=((index + 1) << 64) + number)

    def begin(self, scenario: Scenario) -> None:
        """Set the row up and bring every actor to its first gate."""
        self._scenario = scenario
        self._now = 0.0
        self._faults_left = int(bool(scenario.faults))
        self.fault_struck = False
        self.stage.set(scenario.state)
        self.leases = Leases()
        self.effects, self.begun = [], []
        if scenario.state.startswith("running"):
            self.leases.hold(KEY, OWNER_TOKEN, LEASE, 0.0)
        self.actors = []
        for index, role in enumerate(scenario.roles):
            self._enter(role, index)

    def _enter(self, role: Role, index: int) -> None:
        seat = self.seat(index)

        def work(turns: Turns) -> Any:
            try:
                return role.perform(self, seat, turns)
            except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001 # the judge decides
                return exc

        self.actors.append(Actor(role, Turns(work), seat))
        self.actors[-1].turns.resume()

    def choices(self) -> list[Choice]:
        """Return every turn that may come next.

        Where two wait for one row, PostgreSQL lets them race for it; so that an order of turns has
        one outcome, a second waiter sends its statement when the first has got the lock.
        """
        found: list[Choice] = []
        waited_for = {
            pid
            for one in self.actors
            if one.turns.is_blocked
            for pid in (0, *self._monitor.blockers(one.turns.waiting_pid))
        }
        for index, actor in enumerate(self.actors):
            if actor.turns.is_done or actor.turns.is_blocked:
                continue
            if (
                waited_for
                and actor.turns.session_pid not in waited_for - {0}
                and may_wait(actor.turns.label)
            ):
                continue
            found.append((index, "step"))
            if actor.role.kind == "left behind":
                found.append((index, "drop"))
            elif self._faults_left and self._is_victim(actor):
                found.extend((index, fault) for fault in self._faults_for(actor.turns.label))
        return found

    def _is_victim(self, actor: Actor) -> bool:
        assert self._scenario is not None
        return actor.role.name in self._scenario.victims

    def _faults_for(self, label: str) -> list[Turn]:
        assert self._scenario is not None
        possible: set[Turn] = {"vanish", "interrupt"}
        if label == HOST_ENDS:
            possible -= {"interrupt"}
        elif label == COMMITS:
            possible |= {"drop", "cut"}
        elif label.startswith("commit"):
            possible |= {"cut"}
        elif is_statement(label):
            possible |= {"drop", "refuse"}
        return [fault for fault in self._scenario.faults if fault in possible]

    def take(self, choice: Choice) -> Actor:
        """Give one actor its turn; whoever was waiting for it then moves as far as it can."""
        index, turn = choice
        actor = self.actors[index]
        if turn != "step" and actor.role.kind != "left behind":
            self._faults_left -= 1
            self.fault_struck = True
        actor.turns.resume(turn)
        self._adopt_zombies(actor)
        self._wake_blocked()
        return actor

    def _adopt_zombies(self, actor: Actor) -> None:
        while actor.seat.zombies:
            connection = actor.seat.zombies.pop()
            role = Role(f"{actor.role.name}, late", "left behind", _late(connection))
            turns = Turns(partial(role.perform, self, actor.seat))
            self.actors.append(Actor(role, turns, actor.seat))
            turns.resume()

    def _wake_blocked(self) -> None:
        """Let whoever got a lock finish its statement; that may set the next one free."""
        moved = True
        while moved:
            free = [one for one in self.actors if self._has_its_lock(one.turns)]
            for actor in free:
                actor.turns.resume()
                self._adopt_zombies(actor)
            moved = bool(free)

    def _has_its_lock(self, turns: Turns) -> bool:
        return turns.is_blocked and not self._monitor.blockers(turns.waiting_pid)

    def end(self) -> None:
        """Take everybody off the stage, those who wait for locks last."""
        left = [actor for actor in self.actors if not actor.turns.is_done]
        while left:
            free = [actor for actor in left if not actor.turns.is_blocked]
            for actor in free:
                actor.turns.vanish()
                self._adopt_zombies(actor)
            self._wake_blocked()
            left = [actor for actor in self.actors if not actor.turns.is_done]

    def maker_of(self, token: UUID) -> Actor | None:
        """Return whose claim carries this token; None for what stood at the beginning."""
        index = (token.int >> 64) - 1
        return self.actors[index] if 0 <= index < len(self.actors) else None

    def now(self) -> float:
        """Tell the time on the callers' own clocks."""
        return self._now

    def pass_time(self, seat: Seat, turns: Turns, seconds: float) -> None:
        """Move everything stored into the past, and the callers' own clocks forward."""
        with seat.connection.cursor() as cursor:
            cursor.execute(_SHIFT, {"s": seconds})
        try:
            turns.gate("commit what has passed")
        except VanishedError:
            seat.execute("ROLLBACK")
            raise
        seat.execute("COMMIT")
        self._now += seconds

    @contextmanager
    def sessions(self, seat: Seat) -> Iterator[Session]:
        """Open a session for one actor, closed when it ends or vanishes."""
        session = seat.session()
        try:
            yield session
        except VanishedError:
            session.rollback()
            raise
        finally:
            session.close()

    def state(self, seen: Any) -> tuple[Any, ...]:
        """Return everything that the rest of a schedule can depend on."""
        actors = tuple(
            (tuple(one.turns.history), one.turns.label, one.turns.is_blocked, one.turns.is_done)
            for one in self.actors
        )
        return (seen.essence(), actors, tuple(sorted(self.begun)), self._faults_left, self._now)


def _flow_modules() -> list[ModuleType]:
    """Every module of the flow that asks the caller's own clock."""
    flow = (module for name, module in sys.modules.items() if name.startswith("exec_tracker.flow"))
    return [module for module in flow if hasattr(module, "monotonic")]


def _late(connection: Any) -> Any:
    def perform(_world: World, seat: Seat, turns: Turns) -> None:
        try:
            turn = turns.gate("commit late")
        except VanishedError:
            seat.end_zombie(connection, "ROLLBACK")
            raise
        seat.end_zombie(connection, "ROLLBACK" if turn == "drop" else "COMMIT")
        turns.history.append(turn)

    return perform

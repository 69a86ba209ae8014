"""Run random programs against the model, for a number of programs or for a time."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from exec_tracker.testing.clock import DatabaseClock
from proof.callers import AsyncCaller, SyncCaller
from proof.calling import Calling
from proof.deciding import Deciding
from proof.holding import Holding
from proof.stage import add_user

STEPS = 30
_AT_A_TIME = 50


class Programs(Calling, Holding, Deciding):
    """Every door and every verb, in any order, by two users over several trackers."""


@dataclass
class Modelled:
    """How many programs were run, of how many calls, and what the first that failed said."""

    programs: int = 0
    calls: int = 0
    seconds: float = 0.0
    broken: str | None = None


def run_programs(url: str, number: int, chance: int) -> Modelled:
    """Run so many programs, the same ones for the same chance; raises what one of them shows."""
    with ExitStack() as stack:
        made = [SyncCaller(url, by_url=False), SyncCaller(url, by_url=True), AsyncCaller(url)]
        opened = [stack.enter_context(caller) for caller in made]
        ids = [add_user(url), add_user(url)]

        class Bounded(Programs):
            clock = DatabaseClock(url)
            callers = opened
            users = ids

        # No shrinking here: on a slow machine it outlasts a test. Phase.shrink makes it small.
        chosen = settings(
            max_examples=number,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=True,  # the line that repeats a failure
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate,),
        )
        run_state_machine_as_test(seed(chance)(Bounded), settings=chosen)
        return Modelled(Bounded.programs, Bounded.calls)


def run_for(url: str, seconds: float, chance: int) -> Modelled:
    """Run programs until the time is over or one fails."""
    found, began = Modelled(), monotonic()
    while monotonic() - began < seconds and found.broken is None:
        try:
            part = run_programs(url, _AT_A_TIME, chance)
        except AssertionError as broken:
            found.broken = f"{broken}, chance {chance}"
        else:
            found.programs += part.programs
            found.calls += part.calls
        chance += 1
    found.seconds = monotonic() - began
    return found

"""Obtain a claim so that whatever ends the attempt half-way leaves none behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exec_tracker.errors import ExecTrackerError, TransientStorageError
from exec_tracker.flow.claiming import obtain
from exec_tracker.flow.commands import Sleep
from exec_tracker.flow.plan import Held, Pursuit
from exec_tracker.flow.saving import withdraw

if TYPE_CHECKING:
    from collections.abc import Generator

    from exec_tracker.flow.claiming import Obtaining
    from exec_tracker.flow.commands import Command
    from exec_tracker.flow.plan import Plan
    from exec_tracker.types import ExecutionResult


def obtain_or_withdraw(plan: Plan, *, hands_over: bool = False) -> Obtaining:
    """Claim the key or return its outcome; what ends it half-way leaves no claim.

    Where it `hands_over` the claim to a handle, an interrupt that came during the last statement
    is met here, and not by a caller who has no handle yet.
    """
    pursuit = Pursuit(plan.new_claim())
    return (yield from or_withdraw(plan, pursuit, _obtain(plan, pursuit, hands_over=hands_over)))


def or_withdraw(plan: Plan, pursuit: Pursuit, obtaining: Obtaining) -> Obtaining:
    """Give up the claim where `obtaining` it is interrupted, or leaves it in doubt."""
    try:
        return (yield from obtaining)
    except GeneratorExit:
        raise
    except BaseException as exc:
        in_doubt = isinstance(exc, TransientStorageError) and exc.in_doubt
        # What the tracker did not raise is an interrupt: a task queue's time limit is an Exception.
        if in_doubt or not isinstance(exc, ExecTrackerError):
            yield from withdraw(plan, pursuit, exc)
        raise


def _obtain(
    plan: Plan, pursuit: Pursuit, *, hands_over: bool
) -> Generator[Command, Any, Held | ExecutionResult[Any]]:
    got = yield from obtain(plan, pursuit)
    if hands_over and isinstance(got, Held):
        yield Sleep(0.0, interruptible=True)
    return got

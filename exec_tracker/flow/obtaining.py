"""Obtain a claim so that whatever ends the attempt half-way leaves none behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exec_tracker.errors import ExecTrackerError, TransientStorageError
from exec_tracker.flow.claiming import obtain
from exec_tracker.flow.commands import Sleep
from exec_tracker.flow.plan import Held, Pursuit
from exec_tracker.flow.saving import withdraw

if TYPE_CHECKING:
    from exec_tracker.flow.claiming import Obtaining
    from exec_tracker.flow.plan import Plan


def obtain_or_withdraw(plan: Plan, *, hands_over: bool = False) -> Obtaining:
    """Claim the key or return its outcome; what ends it half-way leaves no claim.

    Where it `hands_over` the claim to a handle, an interrupt that came during the last statement
    is met here, and not by a caller who has no handle yet.
    """
    pursuit = Pursuit(plan.new_claim())
    obtaining = obtain(plan, pursuit)
    return or_withdraw(plan, pursuit, _handed_over(obtaining) if hands_over else obtaining)


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


def _handed_over(obtaining: Obtaining) -> Obtaining:
    got = yield from obtaining
    if isinstance(got, Held):
        yield Sleep(0.0, interruptible=True)
    return got

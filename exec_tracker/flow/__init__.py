"""One execution, written once as a generator of commands that a sync or an async shell drives.

The flow never touches a connection, a clock to sleep on, or the user's function: it yields `Ask`,
`Poll`, `Sleep` and `Invoke` and is sent their results, or has their exceptions thrown in. So the
two trackers cannot drift apart, and a test can drive several flows step by step in any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exec_tracker.errors import TransientStorageError
from exec_tracker.flow.claiming import obtain
from exec_tracker.flow.commands import (
    Ask,
    Command,
    EscapedStopError,
    Invoke,
    Lend,
    Poll,
    Sleep,
    Within,
)
from exec_tracker.flow.plan import Held, LeaseKeeper, Plan, Pursuit
from exec_tracker.flow.running import run
from exec_tracker.flow.saving import save_failure, save_result, withdraw
from exec_tracker.flow.transactional import execute_in_transaction, transaction_block
from exec_tracker.flow.waiting import wait_for_ending

if TYPE_CHECKING:
    from collections.abc import Generator

    from exec_tracker.types import ExecutionResult

__all__ = [
    "Ask",
    "Command",
    "EscapedStopError",
    "Held",
    "Invoke",
    "LeaseKeeper",
    "Lend",
    "Plan",
    "Poll",
    "Sleep",
    "Within",
    "execute",
    "execute_in_transaction",
    "obtain_or_withdraw",
    "save_failure",
    "save_result",
    "transaction_block",
    "wait_for_ending",
]


def execute(plan: Plan) -> Generator[Command, Any, ExecutionResult[Any]]:
    """Claim, decide, run and store: the external mode from beginning to end."""
    got = yield from obtain_or_withdraw(plan)
    if isinstance(got, Held):
        return (yield from run(plan, got))
    return got


def obtain_or_withdraw(
    plan: Plan, *, hands_over: bool = False
) -> Generator[Command, Any, Held | ExecutionResult[Any]]:
    """Claim the key or return its outcome; what ends it half-way leaves no claim.

    Where it `hands_over` the claim to a handle, an interrupt that came during the last statement
    is met here, and not by a caller who has no handle yet.
    """
    pursuit = Pursuit(plan.new_claim())
    try:
        got = yield from obtain(plan, pursuit)
        if hands_over and isinstance(got, Held):
            yield Sleep(0.0, interruptible=True)
    except GeneratorExit:
        raise
    except BaseException as exc:
        in_doubt = isinstance(exc, TransientStorageError) and exc.in_doubt
        if in_doubt or not isinstance(exc, Exception):
            yield from withdraw(plan, pursuit, exc)
        raise
    return got

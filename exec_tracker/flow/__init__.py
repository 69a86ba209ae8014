"""One execution, written once as a generator of commands that a sync or an async shell drives.

The flow never touches a connection, a clock to sleep on, or the user's function: it yields `Ask`,
`Poll`, `Sleep` and `Invoke` and is sent their results, or has their exceptions thrown in. So the
two trackers cannot drift apart, and a test can drive several flows step by step in any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from exec_tracker.flow.items import Item
from exec_tracker.flow.many import execute_many, obtain_many
from exec_tracker.flow.obtaining import obtain_or_withdraw
from exec_tracker.flow.plan import Held, LeaseKeeper, Plan, Pursuit
from exec_tracker.flow.running import run
from exec_tracker.flow.saving import save_failure, save_result
from exec_tracker.flow.storing import complete_many
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
    "Item",
    "LeaseKeeper",
    "Lend",
    "Plan",
    "Poll",
    "Pursuit",
    "Sleep",
    "Within",
    "complete_many",
    "execute",
    "execute_in_transaction",
    "execute_many",
    "obtain_many",
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

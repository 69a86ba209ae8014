"""Many executions in one flow: claimed together, run one after the other, stored together.

Only what goes the common way is batched: free keys, stored results, results to store. Whatever else
a key needs, it gets from the flow of a single execution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

from exec_tracker.errors import ExecTrackerError, StorageError, TransientStorageError
from exec_tracker.flow.claiming import negotiate, obtain, replay
from exec_tracker.flow.commands import Sleep
from exec_tracker.flow.items import Item, asked_size, chunks, is_full, settle, stored_size
from exec_tracker.flow.obtaining import or_withdraw
from exec_tracker.flow.patience import ask_patiently
from exec_tracker.flow.plan import Held
from exec_tracker.flow.running import call, run
from exec_tracker.flow.saving import INTERRUPTED_PATIENCE
from exec_tracker.flow.storing import encode, give_up, store_many, store_singly, withdraw_many
from exec_tracker.policies import EventName
from exec_tracker.repository import ExecutionRepository
from exec_tracker.sqlstates import CONNECTION_REFUSED
from exec_tracker.transitions import Mine, Replay, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from exec_tracker.flow.commands import Command
    from exec_tracker.flow.items import Steps
    from exec_tracker.flow.plan import Plan
    from exec_tracker.types import ExecutionResult

    One = Generator[Command, Any, ExecutionResult[Any] | None]

# How long a result may wait for others to be stored with it: what a crash would leave abandoned.
_STORE_WITHIN_SECONDS = 0.2
# How long what was read of a key is good enough to decide upon.
_FRESH_SECONDS = 1.0


def execute_many(items: Sequence[Item]) -> Steps:
    """Settle every item: nothing that one of them raises keeps another from being run.

    Keys are claimed when it is soon their turn, since a crash leaves abandoned what was claimed. An
    interrupt ends all: what has run is stored, what has not begun gives its key back.
    """
    firsts = _first_of_each_key(items, _adopting)
    try:
        for chunk in chunks(firsts, asked_size):
            yield from _claim_many(chunk)
            yield from _run_and_store([item for item in chunk if item.held is not None])
        yield from _one_by_one([item for item in items if not item.is_settled], _singly)
    except GeneratorExit:
        raise
    except BaseException as exc:
        yield from give_up(items, exc)
        raise
    finally:
        for item in items:
            item.release()


def obtain_many(items: Sequence[Item]) -> Steps:
    """Hold each item's claim, or settle it with its outcome or the error that refuses it."""
    firsts = _first_of_each_key(items, _impatient)
    try:
        for chunk in chunks(firsts, asked_size):
            yield from _claim_many(chunk)
        rest = [item for item in items if item.held is None and not item.is_settled]
        yield from _one_by_one(rest, _hold_singly)
        # An interrupt that came during the last statement is met here: the caller has no handles.
        yield Sleep(0.0, interruptible=True)
    except BaseException as exc:
        if not isinstance(exc, GeneratorExit):
            yield from give_up(items, exc)
        for item in items:
            item.release()
        raise


def _first_of_each_key(items: Sequence[Item], otherwise: Callable[[Plan], Plan]) -> list[Item]:
    of_each_key: dict[str, Item] = {}
    for item in items:
        if of_each_key.setdefault(item.id, item) is not item:
            item.plan = otherwise(item.plan)
    return list(of_each_key.values())


def _adopting(plan: Plan) -> Plan:
    """Have a key that comes again adopt what came of the first, as a waiter does."""
    return replace(plan, policy=replace(plan.policy, on_failed="raise"))


def _impatient(plan: Plan) -> Plan:
    """Have a key that comes again not wait for its own first."""
    return replace(plan, on_running="raise")


def _claim_many(chunk: Sequence[Item]) -> Steps:
    """Claim what is free, and settle what has a stored result; the rest is left to be asked."""
    sent_at = monotonic()
    for item in chunk:
        item.sent_at = sent_at
    asked = [(item.plan.new, item.pursuit.claim) for item in chunk]
    try:
        standing = yield from ask_patiently(ExecutionRepository.claim_rows, asked)
    except ExecTrackerError as exc:
        if isinstance(exc, StorageError) and _is_away(exc):
            yield from _refuse_all(chunk, exc)
        # Else one of the keys is the reason: whoever asks for it alone will hear.
        return
    for item in chunk:
        item.seen = standing.get(item.id)
        yield from settle(item, _take_what_stands(item))


def _is_away(error: StorageError) -> bool:
    """Tell whether no key would fare better by itself."""
    unheard = isinstance(error, TransientStorageError) and error.sqlstate is None
    return unheard or error.in_doubt or error.sqlstate in CONNECTION_REFUSED


def _refuse_all(chunk: Sequence[Item], error: StorageError) -> Steps:
    if error.in_doubt:
        until = monotonic() + INTERRUPTED_PATIENCE.total_seconds()
        yield from withdraw_many(chunk, error, until)
    for item in chunk:
        own = type(error)(str(error), sqlstate=error.sqlstate, in_doubt=error.in_doubt)
        own.__cause__ = error
        item.settle(error=own)


def _take_what_stands(item: Item) -> One:
    plan, claim, seen, sent_at = item.plan, item.pursuit.claim, item.seen, item.sent_at
    if seen is None or sent_at is None:
        return None
    decision = decide(plan.claimant(claim), plan.policy, seen)
    if isinstance(decision, Mine):
        plan.tell(EventName.CLAIMED, seen.attempt)
        item.hold(Held(seen, claim, sent_at))
    return replay(plan, seen) if isinstance(decision, Replay) else None
    yield  # a flow like the others, though it asks for nothing


def _run_and_store(items: Sequence[Item]) -> Steps:
    waiting: list[Item] = []
    since, size = monotonic(), 0
    for item in items:
        if not waiting:
            since, size = monotonic(), 0
        yield from settle(item, _call(item))
        if item.waits_to_be_stored:
            waiting.append(item)
            size += stored_size(item)
        if is_full(len(waiting) + 1, size) or monotonic() - since > _STORE_WITHIN_SECONDS:
            yield from store_many(waiting)
            waiting = []
    yield from store_many(waiting)


def _call(item: Item) -> Steps:
    """Call the function; its result waits to be stored, unless it cannot be."""
    assert item.held is not None  # noqa: S101 # only held items are run
    item.begun = True
    item.held = replace(item.held, began_at=monotonic())  # it was claimed together with others
    with item.plan.watch:
        item.held, item.value = yield from call(item.plan, item.held, item.lease)
    item.ran = monotonic() - item.held.began_at
    yield from encode(item)


@dataclass(slots=True)
class _Waiting:
    """How many seconds a batch has waited for others: all of its keys waited meanwhile."""

    seconds: float = 0.0

    def shorten(self, plan: Plan) -> Plan:
        """Return the plan with what is left of its time to wait."""
        left = max(plan.wait_timeout - timedelta(seconds=self.seconds), timedelta(0))
        return replace(plan, wait_timeout=left)


def _one_by_one(items: Sequence[Item], step: Callable[[Item, _Waiting], One]) -> Steps:
    waiting = _Waiting()
    for item in items:
        yield from settle(item, step(item, waiting))


def _singly(item: Item, waiting: _Waiting) -> One:
    """Do for one item whatever the batch could not."""
    if item.waits_to_be_stored:
        return (yield from store_singly(item))
    got = yield from _obtain_singly(item, waiting)
    if not isinstance(got, Held):
        return got
    item.begun = True  # what has begun has its own record, or none: it is never given back
    with item.plan.watch:
        return (yield from run(item.plan, got))


def _hold_singly(item: Item, waiting: _Waiting) -> One:
    got = yield from _obtain_singly(item, waiting)
    if not isinstance(got, Held):
        return got
    item.hold(got)
    return None


def _obtain_singly(
    item: Item, waiting: _Waiting
) -> Generator[Command, Any, Held | ExecutionResult[Any]]:
    """Claim the key of an item that the batch could not, or return its outcome."""
    began = monotonic()
    plan, seen, sent_at = waiting.shorten(item.plan), item.seen, item.sent_at
    if seen is not None and sent_at is not None and began - sent_at < _FRESH_SECONDS:
        obtaining = negotiate(plan, item.pursuit, sent_at, seen)
    else:
        obtaining = obtain(plan, item.pursuit)
    try:
        return (yield from or_withdraw(plan, item.pursuit, obtaining))
    finally:
        if plan.on_running == "wait":
            waiting.seconds += monotonic() - began

"""Many executions in one flow: claimed together, run one after the other, stored together.

Only what goes the common way is batched: free keys, stored results, results to store. Whatever else
a key needs, it gets from the flow of a single execution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any

from exec_tracker.errors import ExecTrackerError, ResultNotStorableError
from exec_tracker.flow.claiming import negotiate, obtain, replay
from exec_tracker.flow.commands import EscapedStopError
from exec_tracker.flow.obtaining import or_withdraw
from exec_tracker.flow.patience import ask_patiently
from exec_tracker.flow.plan import Held, Pursuit
from exec_tracker.flow.running import call, keep_alive, run
from exec_tracker.flow.saving import INTERRUPTED_PATIENCE, save_result, withdraw
from exec_tracker.policies import EventName
from exec_tracker.repository import ExecutionRepository
from exec_tracker.transitions import Mine, Replay, decide
from exec_tracker.types import ExecutionResult

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from exec_tracker.flow.commands import Command
    from exec_tracker.flow.plan import Plan
    from exec_tracker.leases import HeldLease
    from exec_tracker.types import Execution

    Steps = Generator[Command, Any, None]
    One = Generator[Command, Any, ExecutionResult[Any]]

# Keys per statement: beyond a few hundred the statement's own cost no longer shows.
KEYS_PER_STATEMENT = 200
# How long a result may wait for others to be stored with it: what a crash would leave abandoned.
_STORE_WITHIN_SECONDS = 0.2


@dataclass(slots=True, eq=False)
class Item:
    """One execution of a batch, and how far it has come; it ends with a result or an error."""

    plan: Plan
    pursuit: Pursuit
    seen: Execution | None = None
    sent_at: float | None = None
    held: Held | None = None
    lease: HeldLease | None = None
    begun: bool = False
    # How many seconds the function took.
    ran: float | None = None
    # What the function returned, encoded: it waits to be stored.
    value: Any = None
    text: str | None = None
    result: ExecutionResult[Any] | None = None
    error: Exception | None = None
    when_settled: Callable[[Item], None] | None = None

    @classmethod
    def of(cls, plan: Plan) -> Item:
        """Begin with a fresh claim token."""
        return cls(plan, Pursuit(plan.new_claim()))

    @property
    def is_settled(self) -> bool:
        """Whether it has ended."""
        return self.result is not None or self.error is not None

    def hold(self, held: Held) -> None:
        """Keep the claim alive from here on."""
        self.held, self.lease = held, keep_alive(self.plan, held)

    def settle(
        self, result: ExecutionResult[Any] | None = None, error: Exception | None = None
    ) -> None:
        """End it, and let go of its lease."""
        self.result, self.error = result, error
        self.release()
        self.plan.watch.end(error)
        if self.when_settled is not None:
            self.when_settled(self)

    def release(self) -> None:
        """Stop keeping the claim alive."""
        if self.lease is not None:
            self.plan.leases.release(self.lease)
            self.lease = None


def execute_many(items: Sequence[Item]) -> Steps:
    """Settle every item: nothing that one of them raises keeps another from being run.

    An interrupt ends all: what has run is stored, what has not begun gives its key back.
    """
    of_each_key: dict[str, Item] = {}
    for item in items:
        of_each_key.setdefault(item.plan.new.id, item)
    firsts = list(of_each_key.values())
    try:
        yield from _claim_many(firsts)
        yield from _run_and_store([item for item in firsts if item.held is not None])
        for item in items:
            if not item.is_settled:
                yield from _settle(item, _singly(item))
    except GeneratorExit:
        raise
    except BaseException as exc:
        yield from _give_up(firsts, exc)
        raise


def obtain_many(items: Sequence[Item]) -> Steps:
    """Hold each item's claim, or settle it with its outcome or the error that refuses it."""
    try:
        yield from _claim_many(items)
        for item in items:
            if item.held is None and not item.is_settled:
                yield from _settle(item, _hold_singly(item))
    except GeneratorExit:
        raise
    except BaseException as exc:
        yield from _give_up(items, exc)
        raise


def _hold_singly(item: Item) -> Generator[Command, Any, ExecutionResult[Any] | None]:
    got = yield from _obtain_singly(item)
    if not isinstance(got, Held):
        return got
    item.hold(got)
    return None


def _claim_many(items: Iterable[Item]) -> Steps:
    """Claim what is free, and settle what has a stored result; the rest is left to be asked."""
    for chunk in _chunks(items):
        sent_at = monotonic()
        for item in chunk:
            item.sent_at = sent_at
        asked = [(item.plan.new, item.pursuit.claim) for item in chunk]
        try:
            standing = yield from ask_patiently(ExecutionRepository.claim_many, asked)
        except ExecTrackerError:
            # One of the keys, or the database: whoever asks for it alone will hear.
            continue
        for item in chunk:
            item.seen = standing.get(item.plan.new.id)
            yield from _settle(item, _take_what_stands(item))


def _take_what_stands(item: Item) -> Generator[Command, Any, ExecutionResult[Any] | None]:
    plan, claim, seen, sent_at = item.plan, item.pursuit.claim, item.seen, item.sent_at
    if seen is None or sent_at is None:
        return None
    decision = decide(plan.claimant(claim), plan.policy, seen)
    if isinstance(decision, Mine):
        plan.tell(EventName.CLAIMED, seen.attempt)
        item.hold(Held(seen, claim, sent_at))
    return replay(plan, seen) if isinstance(decision, Replay) else None
    yield  # a flow like the others, though it asks for nothing


def _obtain_singly(item: Item) -> Generator[Command, Any, Held | ExecutionResult[Any]]:
    """Claim the key of an item that the batch could not, or return its outcome."""
    if item.seen is not None and item.sent_at is not None:
        obtaining = negotiate(item.plan, item.pursuit, item.sent_at, item.seen)
    else:
        obtaining = obtain(item.plan, item.pursuit)
    return (yield from or_withdraw(item.plan, item.pursuit, obtaining))


def _singly(item: Item) -> One:
    got = yield from _obtain_singly(item)
    return (yield from run(item.plan, got)) if isinstance(got, Held) else got


def _run_and_store(items: Sequence[Item]) -> Steps:
    waiting: list[Item] = []
    since = monotonic()
    for item in items:
        since = since if waiting else monotonic()
        yield from _settle(item, _call(item))
        if item.text is not None:
            waiting.append(item)
        if len(waiting) >= KEYS_PER_STATEMENT or monotonic() - since > _STORE_WITHIN_SECONDS:
            yield from _store_many(waiting)
            waiting = []
    yield from _store_many(waiting)


def _call(item: Item) -> Steps:
    """Call the function; its result waits to be stored, unless it cannot be."""
    assert item.held is not None  # noqa: S101 # only held items are run
    item.begun = True
    item.held = replace(item.held, began_at=monotonic())  # it was claimed together with others
    with item.plan.watch:
        item.held, item.value = yield from call(item.plan, item.held, item.lease)
    item.ran = monotonic() - item.held.began_at
    yield from _encode(item)


def _encode(item: Item) -> Steps:
    """Write an item's value as what is to be stored; record that it cannot be, and raise."""
    assert item.held is not None  # noqa: S101 # as above
    try:
        item.text = item.plan.codec.encode(item.value)
    except ResultNotStorableError:
        yield from save_result(item.plan, item.held, item.value)  # which raises


def complete_many(items: Sequence[Item]) -> Steps:
    """Store the values of claims that somebody holds."""
    for item in items:
        yield from _settle(item, _encode(item))
    yield from _store_many(item for item in items if not item.is_settled)


def _store_many(items: Iterable[Item]) -> Steps:
    """Store what waits; where the statement fails, or not for all, each is stored by itself."""
    for chunk in _chunks(items):
        results = [(i.plan.new.id, i.pursuit.claim.token, i.text) for i in chunk]
        try:
            stored = yield from ask_patiently(ExecutionRepository.complete_many, results)
        except ExecTrackerError:
            stored = {}
        for item in chunk:
            yield from _settle(item, _stored(item, stored.get(item.plan.new.id)))


def _stored(item: Item, execution: Execution | None) -> One:
    assert item.held is not None  # noqa: S101 # as above
    if execution is None:
        saved: ExecutionResult[Any] = yield from save_result(item.plan, item.held, item.value)
        return saved
    ran = monotonic() - item.held.began_at if item.ran is None else item.ran
    item.plan.tell(EventName.COMPLETED, execution.attempt, seconds=ran)
    data = item.plan.codec.decode(execution.result_json)
    return ExecutionResult(data, cached=False, execution=execution)


def _settle(item: Item, step: Generator[Command, Any, ExecutionResult[Any] | None]) -> Steps:
    """Take one step with an item; what it raises is the item's own error."""
    try:
        result = yield from step
    except EscapedStopError as escaped:
        item.settle(error=escaped.error)
    except Exception as exc:  # noqa: BLE001 # whatever it is, it belongs to this key alone
        item.settle(error=exc)
    else:
        if result is not None:
            item.settle(result)


def _give_up(items: Sequence[Item], interrupt: BaseException) -> Steps:
    """After an interrupt: store what has run, give back what has not, as far as time allows."""
    until = monotonic() + INTERRUPTED_PATIENCE.total_seconds()
    yield from _store_many(item for item in items if item.text is not None and not item.is_settled)
    for item in items:
        # What has begun has its own record, or none: it is never given back.
        if item.sent_at is not None and not (item.begun or item.is_settled):
            yield from withdraw(item.plan, item.pursuit, interrupt)
        item.release()
        if monotonic() > until:
            break


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    rest = iter(items)
    while chunk := list(islice(rest, KEYS_PER_STATEMENT)):
        yield chunk

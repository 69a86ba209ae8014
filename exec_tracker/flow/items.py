"""One execution of a batch: how far it has come, how it ends, and which go into one statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exec_tracker.flow.commands import EscapedStopError
from exec_tracker.flow.plan import Pursuit
from exec_tracker.flow.running import keep_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from exec_tracker.flow.commands import Command
    from exec_tracker.flow.plan import Held, Plan
    from exec_tracker.leases import HeldLease
    from exec_tracker.snapshots import Seen
    from exec_tracker.types import ExecutionResult

    Steps = Generator[Command, Any, None]

# Keys per statement: beyond a few hundred the statement's own cost no longer shows.
KEYS_PER_STATEMENT = 200
# A statement is one message of at most a gigabyte, and is copied several times on its way.
CHARACTERS_PER_STATEMENT = 8 * 1024 * 1024


@dataclass(slots=True, eq=False)
class Item:
    """One execution of a batch, and how far it has come; it ends with a result or an error."""

    plan: Plan
    pursuit: Pursuit
    seen: Seen | None = None
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
    when_over: Callable[[Item], None] | None = None

    @classmethod
    def of(cls, plan: Plan) -> Item:
        """Begin with a fresh claim token."""
        return cls(plan, Pursuit(plan.new_claim()))

    @property
    def id(self) -> str:
        """The execution's key."""
        return self.plan.new.id

    @property
    def is_settled(self) -> bool:
        """Whether it has ended."""
        return self.result is not None or self.error is not None

    @property
    def waits_to_be_stored(self) -> bool:
        """Whether its function has returned, and nothing is stored yet."""
        return self.text is not None and not self.is_settled

    @property
    def may_hold_unused_claim(self) -> bool:
        """Whether a claim under its token may stand under which nothing has begun."""
        unanswered = self.sent_at is not None and self.seen is None
        return not self.begun and not self.is_settled and (self.held is not None or unanswered)

    def hold(self, held: Held) -> None:
        """Keep the claim alive from here on."""
        self.held, self.lease = held, keep_alive(self.plan, held)

    def settle(
        self, result: ExecutionResult[Any] | None = None, error: Exception | None = None
    ) -> None:
        """End it, and let go of its lease."""
        self.result, self.error = result, error
        self.let_go(error)

    def let_go(self, error: BaseException | None) -> None:
        """Do no more about it: keep no lease, and tell those who watch that it is over."""
        self.release()
        self.plan.watch.end(error)
        if self.when_over is not None:
            self.when_over(self)

    def release(self) -> None:
        """Stop keeping the claim alive."""
        if self.lease is not None:
            self.plan.leases.release(self.lease)
            self.lease = None


def settle(item: Item, step: Generator[Command, Any, ExecutionResult[Any] | None]) -> Steps:
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


def chunks(items: Iterable[Item], size: Callable[[Item], int]) -> Iterator[Sequence[Item]]:
    """Part items so that each part fits into a statement."""
    chunk: list[Item] = []
    taken = 0
    for item in items:
        more = size(item)
        if chunk and is_full(len(chunk) + 1, taken + more):
            yield chunk
            chunk, taken = [], 0
        chunk.append(item)
        taken += more
    if chunk:
        yield chunk


def is_full(keys: int, characters: int) -> bool:
    """Tell whether this is more than one statement takes."""
    return keys > KEYS_PER_STATEMENT or characters > CHARACTERS_PER_STATEMENT


def asked_size(item: Item) -> int:
    """How much a claim sends."""
    return len(item.plan.new.parameters_json or "")


def stored_size(item: Item) -> int:
    """How much a result sends."""
    return len(item.text or "")

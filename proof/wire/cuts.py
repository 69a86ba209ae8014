"""Strike one call at every message of its conversation with the server, in both directions."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from exec_tracker import ExecutionTracker
from exec_tracker.errors import ExecTrackerError, ExecutionInProgressError, TransientStorageError
from proof.clients import open_client
from proof.ledger import Ledger, eventually
from proof.wire.audit import audit, leak
from proof.wire.calls import DeclinedError
from proof.wire.line import KINDS, Strike
from proof.wire.proxy import Proxy

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator, Sequence

    from proof.clients import Client
    from proof.wire.calls import Call
    from proof.wire.line import Kind
    from proof.wire.messages import Message

# Longer than a repetition takes, so that what comes late meets what was done meanwhile.
_SECONDS: dict[Kind, float] = {"late": 0.05, "delay": 0.05, "hole": 0.1}
_ALREADY_OVER = timedelta(microseconds=1)
# What a client may repeat its call after: the database says so, or the host's own commit failed.
_REPEATABLE = (TransientStorageError, ExecutionInProgressError, DBAPIError)
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Cut:
    """One message at which a call was struck, and what came of it."""

    driver: str
    call: str
    kind: Kind
    place: int
    message: str
    heard: tuple[str, ...]
    broken: str | None
    seconds: float


@dataclass(slots=True)
class Struck:
    """A judge that strikes the message with one number, and remembers all that it saw."""

    place: int = -1
    strike: Strike | None = None
    seen: list[Message] = field(default_factory=list)
    at: str = ""

    def __call__(self, message: Message) -> Strike | None:
        """Count the message; strike it where its number has come."""
        self.seen.append(message)
        if len(self.seen) - 1 != self.place:
            return None
        self.at = f"{message}, {message.direction}"
        return self.strike


class Wire:
    """One driver behind a proxy, on one database."""

    def __init__(self, driver: str, url: str) -> None:
        """Connect nothing yet but the ledger."""
        self.driver = driver
        self.ledger = Ledger(url)
        self.proxy = Proxy(url)
        self._client: Client | None = None

    def close(self) -> None:
        """Close everything, the proxy last."""
        self._close_client()
        self.proxy.close()
        self.ledger.close()

    def messages(self, call: Call) -> list[Message]:
        """Perform a call undisturbed on a fresh connection, and return what was said."""
        judge = Struck()
        broken, _ = self._perform(call, judge)
        if broken:
            raise AssertionError(f"{call.name}, undisturbed: {broken}")
        return judge.seen

    def strike(self, call: Call, kind: Kind, place: int) -> Cut:
        """Perform a call that is struck at one message, and judge what came of it."""
        judge = Struck(place, Strike(kind, _SECONDS.get(kind, 0.0)))
        began = time.monotonic()
        broken, heard = self._perform(call, judge)
        seconds = time.monotonic() - began
        return Cut(self.driver, call.name, kind, place, judge.at, heard, broken, seconds)

    def _perform(self, call: Call, judge: Struck) -> tuple[str | None, tuple[str, ...]]:
        key = f"{self.driver} {next(_numbers)}"
        self._begin(call, key)
        client = self._fresh_client()
        heard: list[str] = []
        self.proxy.judge = judge
        try:
            answer = self._until_acknowledged(call, client, key, heard)
        except (ExecTrackerError, DBAPIError) as error:
            return f"the caller never got it: {error!r}", tuple(heard)
        finally:
            self.proxy.judge = _let_pass
        # A heartbeat has a connection of its own, which stays until the tracker is closed.
        keeps = call.renews or client.keeps_connections
        close = self._close_client if keeps else client.forget_connections
        broken = leak(client, self.ledger, close)
        self.proxy.wait_until_empty()
        return broken or audit(call, self.ledger, key, answer), tuple(heard)

    def _begin(self, call: Call, key: str) -> None:
        """Bring the key to where the call finds it, past the proxy."""
        if call.begin == "absent":
            return
        with ExecutionTracker(self.ledger.url) as tracker:
            if call.begin == "completed":
                tracker.execute(self.ledger.options(key), lambda: {"key": key, "run": 0})
            else:
                tracker.claim(self.ledger.options(key)).detach(_ALREADY_OVER)
                eventually(lambda: tracker.find_abandoned(limit=1), "the claim is abandoned")

    def _fresh_client(self) -> Client:
        """Return a client with no connection, that has done what is done once per process."""
        if self._client is None:
            engine = {"pool_size": 2, "max_overflow": 0}
            self._client = open_client(self.driver, self.proxy.url, engine=engine)
            first = f"{self.driver} {next(_numbers)}"
            self._client.transact(self.ledger.options(first), self.ledger.inside(first))
            self._client.execute(self.ledger.options(first), self.ledger.outside(first))
        if not self._client.keeps_connections:
            self._client.forget_connections()
            self.proxy.wait_until_empty()
        return self._client

    def _until_acknowledged(self, call: Call, client: Client, key: str, heard: list[str]) -> Any:
        """Call as a client does that repeats its call after an error that says it may."""
        for pause in (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0):
            time.sleep(pause)
            try:
                return call.perform(client, self.ledger, self.ledger.options(key))
            except DeclinedError:
                return None
            except _REPEATABLE as error:
                if isinstance(error, DBAPIError) and not call.is_hosts:
                    raise
                heard.append(type(error).__name__)
                last = error
        raise last

    def _close_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def _let_pass(_message: Message) -> None:
    return None


def places(messages: list[Message], kind: Kind) -> list[int]:
    """Return the numbers of the messages that can be struck so; only requests can come late."""
    return [
        place
        for place, message in enumerate(messages)
        if kind != "late" or message.direction == "to server"
    ]


def cut_everywhere(
    wire: Wire,
    calls: Iterable[Call],
    kinds: Iterable[Kind] = tuple(KINDS),
    names: frozenset[str] | None = None,
) -> Iterator[Cut]:
    """Strike every message of every call in every way, or only those of some names."""
    for call in calls:
        messages = wire.messages(call)
        for kind in kinds:
            for place in places(messages, kind):
                if names is None or messages[place].name in names:
                    yield wire.strike(call, kind, place)


def cut_anywhere(wire: Wire, calls: Sequence[Call], chance: random.Random) -> Iterator[Cut]:
    """Strike any message of any call in any way, without end."""
    conversations = [(call, wire.messages(call)) for call in calls]
    while True:
        call, messages = chance.choice(conversations)
        kind = chance.choice(list(KINDS))
        yield wire.strike(call, kind, chance.choice(places(messages, kind)))

"""Clients of every driver that call without pause while the server is struck, and an audit."""

from __future__ import annotations

import threading
from collections import Counter, deque
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from exec_tracker import ExecutionTracker
from exec_tracker.errors import ExecutionAbandonedError
from exec_tracker.testing import DatabaseClock
from proof.auditing import Audit, Story, audit
from proof.clients import DRIVERS, open_client
from proof.ledger import eventually
from proof.outages.callers import EXTERNAL, Caller

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proof.ledger import Ledger

CALLERS_PER_DRIVER = 2
_RECENT = 20
_PATIENCE = 120.0
LONGER_THAN_A_LEASE = timedelta(minutes=2)


class Load:
    """Use as a context manager: the callers begin with it, and end with their calls at its end."""

    def __init__(
        self,
        ledger: Ledger,
        url: str,
        seed: int,
        *,
        drivers: tuple[str, ...] = DRIVERS,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare two callers per driver; `settings` are the trackers'."""
        self._ledger = ledger
        self._stop = threading.Event()
        engine = {"pool_size": CALLERS_PER_DRIVER, "max_overflow": 0}
        self._clients = [
            open_client(driver, url, engine=engine, **(settings or {})) for driver in drivers
        ]
        self.callers: list[Caller] = []
        for driver, client in zip(drivers, self._clients, strict=True):
            recent: deque[str] = deque(maxlen=_RECENT)
            for number in range(CALLERS_PER_DRIVER):
                name = f"{driver}, {number}"
                seeded = f"{seed} {name}"
                caller = Caller(name, client, ledger, recent=recent, stop=self._stop, seed=seeded)
                self.callers.append(caller)

    def __enter__(self) -> Self:
        for caller in self.callers:
            caller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for caller in self.callers:
            caller.join()

    def wait_for_answers(self, since: float) -> float:
        """Wait until every caller has had an answer after that moment; return the longest wait."""
        waited = 0.0
        for caller in self.callers:
            look = partial(caller.first_answer_after, since)
            first = eventually(look, f"an answer to {caller.name}", _PATIENCE)
            waited = max(waited, first - since)
        return waited

    @property
    def calls(self) -> int:
        """How many calls have ended."""
        return sum(caller.heard.calls for caller in self.callers)

    @property
    def errors(self) -> Counter[str]:
        """What the callers were told instead of an answer."""
        return sum((caller.heard.errors for caller in self.callers), Counter())

    def close(self) -> str | None:
        """Close everything; say what was not given back to the pools or to the server."""
        kept = sum(client.checked_out for client in self._clients)
        for client in self._clients:
            client.close()
        if kept:
            return f"{kept} connections were not given back to the pools"
        try:
            eventually(lambda: not self._ledger.backends(), "all connections are closed")
        except TimeoutError:
            return f"the server still has {self._ledger.backends()} connections"
        return None

    def audit(self) -> Audit:
        """Settle what is open, as an operator does who sees the effects, and judge every key."""
        stories = self._stories()
        _settle(self._ledger, stories)
        for key, runs in self._ledger.runs().items():
            stories.setdefault(key, Story()).runs = runs
        return audit(stories, self._ledger.outcomes())

    def _stories(self) -> dict[str, Story]:
        stories = {key: Story(runs) for key, runs in self._ledger.runs().items()}
        for key in self._ledger.outcomes():
            stories.setdefault(key, Story())
        for caller in self.callers:
            for key, run in caller.heard.answers:
                stories.setdefault(key, Story()).told.append(run)
        return stories


def _settle(ledger: Ledger, stories: dict[str, Story]) -> None:
    """Bring every key to its end: nobody works any more, so what is there tells what happened."""
    DatabaseClock(ledger.url).advance(LONGER_THAN_A_LEASE)
    outcomes = ledger.outcomes()
    with ExecutionTracker(ledger.url) as tracker:
        for key, story in stories.items():
            if outcomes.get(key, ("absent", None))[0] != "completed":
                story.told.append(_settled(tracker, ledger, key, story.runs)["run"])


def _settled(tracker: ExecutionTracker, ledger: Ledger, key: str, runs: list[Any]) -> Any:
    """Call again; where nobody knows what happened, decide by what is seen outside."""
    options = ledger.options(key)
    if not key.startswith(EXTERNAL):
        return tracker.execute_in_transaction(options, ledger.inside(key))
    try:
        return tracker.execute_idempotent(options, ledger.outside(key))
    except ExecutionAbandonedError:
        if runs:
            tracker.resolve(key, result={"key": key, "run": runs[-1]})
        else:
            tracker.reset(key)
    return tracker.execute_idempotent(options, ledger.outside(key))

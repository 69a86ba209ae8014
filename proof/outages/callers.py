"""One caller under load: fresh keys and repeated ones, in every mode, until it is told to stop."""

from __future__ import annotations

import random
import threading
import time
from bisect import bisect_right
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from exec_tracker.errors import (
    ExecutionAbandonedError,
    ExecutionInProgressError,
    StorageError,
)

if TYPE_CHECKING:
    from proof.clients import Client
    from proof.ledger import Ledger

EXTERNAL, TRANSACTIONAL, HOSTS = MODES = ("external", "transactional", "host's session")
_DUPLICATES = 0.3
_RECENT = 20
_LONGEST_WORK = 0.01
_LONGEST_PAUSE = 0.05
# A key that even its own caller is refused: a claim left in doubt. The settlement decides.
_REFUSALS = 5
# What a client repeats its call after; DBAPIError where the host's own statements break.
_REPEATABLE = (StorageError, DBAPIError)
_REFUSED = (ExecutionInProgressError, ExecutionAbandonedError)


@dataclass(slots=True)
class Heard:
    """What one caller was told: answers by key and their times, and errors by kind."""

    answers: list[tuple[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    calls: int = 0

    def first_after(self, moment: float) -> float | None:
        """When the first answer after a moment came."""
        times = list(self.times)
        place = bisect_right(times, moment)
        return times[place] if place < len(times) else None


class Caller(threading.Thread):
    """Calls without pause; shares the keys of its driver with the driver's other callers."""

    def __init__(
        self,
        name: str,
        client: Client,
        ledger: Ledger,
        *,
        recent: deque[str],
        stop: threading.Event,
        seed: str,
    ) -> None:
        """Prepare; `seed` decides what it does, in which order."""
        super().__init__(name=name, daemon=True)
        self.heard = Heard()
        self.broke: BaseException | None = None
        self._client, self._ledger, self._recent, self._ended = client, ledger, recent, stop
        self._random = random.Random(seed)  # noqa: S311 # an order, not a secret
        self._count = 0

    def first_answer_after(self, moment: float) -> float | None:
        """When the first answer after a moment came; raises what ended this caller, if anything."""
        if self.broke is not None:
            raise self.broke
        return self.heard.first_after(moment)

    def run(self) -> None:
        """Call on until stopped, or until something happens that must not."""
        try:
            while not self._ended.is_set():
                if self._recent and self._random.random() < _DUPLICATES:
                    self._once(self._random.choice(list(self._recent)), on_running="raise")
                else:
                    self._until_answered(self._fresh_key())
        except BaseException as exc:  # noqa: BLE001 # the load raises it
            self.broke = exc

    def _fresh_key(self) -> str:
        self._count += 1
        mode = MODES[self._count % len(MODES)]
        key = f"{mode}|{self.name}|{self._count}"
        self._recent.append(key)
        return key

    def _until_answered(self, key: str) -> None:
        refused = 0
        while not self._ended.is_set() and refused < _REFUSALS:
            outcome = self._once(key, on_running="wait")
            if outcome is None:
                return
            refused += isinstance(outcome, _REFUSED)
            time.sleep(self._random.uniform(0, _LONGEST_PAUSE))

    def _once(self, key: str, *, on_running: str) -> BaseException | None:
        self.heard.calls += 1
        try:
            answer = self._call(key, on_running)
        except (*_REPEATABLE, *_REFUSED) as error:
            state = getattr(error, "sqlstate", None)
            self.heard.errors[type(error).__name__ + (f" {state}" if state else "")] += 1
            return error
        self.heard.answers.append((key, answer["run"]))
        self.heard.times.append(time.monotonic())
        return None

    def _call(self, key: str, on_running: str) -> Any:
        mode, options = key.partition("|")[0], self._ledger.options(key)
        work = self._random.uniform(0, _LONGEST_WORK)
        if mode == EXTERNAL:
            function = self._working(self._ledger.outside(key), work)
            return self._client.execute(options, function, on_running=on_running).data
        write = self._working(self._ledger.inside(key), work)
        call = self._client.transact if mode == TRANSACTIONAL else self._client.join
        return call(options, write)

    def _working(self, effect: Any, seconds: float) -> Any:
        def work(argument: Any) -> Any:
            time.sleep(seconds)
            done = effect(argument)
            time.sleep(seconds)
            return done

        return work

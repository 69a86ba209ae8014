"""What a soak does under a key: any caller of the same key does the same, in the same mode."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from exec_tracker import ExecuteOptions, OutcomeUnknownError

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from proof.clients import Client
    from proof.soak.journal import Journal

EXTERNAL, MANY, HANDLE, RETRYING = "external", "many", "handle", "retry"
TRANSACTIONAL, HOSTS = "own", "host"
# How often each is chosen, of 100.
MODES = {EXTERNAL: 52, MANY: 6, HANDLE: 8, RETRYING: 15, TRANSACTIONAL: 14, HOSTS: 5}
# How many keys are run at once; each of them may be somebody else's single call as well.
_BATCH = 10
WORKFLOW = "soak"
WRITES = "CREATE TABLE soak_writes (key text NOT NULL, run text NOT NULL)"
_WRITE = text("INSERT INTO soak_writes (key, run) VALUES (:key, :run)")
# Short enough to run out under a process that is stopped: somebody else takes over.
_SHORT_LEASE = timedelta(seconds=1)
_WAIT = timedelta(seconds=2)
_DECLINES, _DAWDLES, _IS_UNSURE = 0.03, 0.01, 0.002
_LONGEST_WORK = 0.2


class DeclinedError(Exception):
    """What a function raises before its effect: it may be run again."""


@dataclass(slots=True)
class Doer:
    """One caller's hands: it calls through a client, and its functions have their effects."""

    client: Client
    journal: Journal
    user_id: UUID
    name: str
    chance: random.Random
    _runs: Any = None

    def __post_init__(self) -> None:
        """Begin to count the runs."""
        self._runs = itertools.count(1)

    def call(self, key: str) -> str:
        """Make the call that belongs to the key, and return the run that its result tells of."""
        mode = key.partition(".")[0]
        options = options_for(key, self.user_id)
        if mode in (TRANSACTIONAL, HOSTS):
            call = self.client.transact if mode == TRANSACTIONAL else self.client.join
            return str(call(options, lambda session: self._write(session, key))["run"])
        if mode == HANDLE:
            return str(self.client.handle(options, lambda _context: self._act(key))["run"])
        settings: dict[str, Any] = {}
        if mode == RETRYING:
            settings = {"on_abandoned": "retry", "lease": _SHORT_LEASE}
        if self.chance.random() < 0.5:  # noqa: PLR2004 # half of them
            settings |= {"on_running": "wait", "wait_timeout": _WAIT}
        done = self.client.execute(options, lambda _context: self._act(key), **settings)
        return str(done.data["run"])

    def call_many(self, keys: Sequence[str]) -> Iterator[tuple[str, str | Exception]]:
        """Call for all keys at once, and yield for each the run, or what it raised."""
        requests = [options_for(key, self.user_id) for key in keys]
        outcomes = self.client.many(requests, lambda context: self._act(context.idempotency_key))
        for key, outcome in zip(keys, outcomes, strict=True):
            yield key, str(outcome.data["run"]) if outcome.error is None else outcome.error

    def _act(self, key: str) -> dict[str, str]:
        self._hesitate()
        run = self._next_run()
        self.journal.effect(key, run)
        if self.chance.random() < _IS_UNSURE:
            raise OutcomeUnknownError
        return {"run": run}

    def _write(self, session: Any, key: str) -> dict[str, str]:
        run = self._next_run()
        done = write(key, run, session)
        self._hesitate()
        return done

    def _hesitate(self) -> None:
        if self.chance.random() < _DECLINES:
            raise DeclinedError
        if self.chance.random() < _DAWDLES:
            time.sleep(self.chance.uniform(0, _LONGEST_WORK))

    def _next_run(self) -> str:
        return f"{self.name}.{next(self._runs)}"


def keys_of(key: str) -> list[str]:
    """Return the keys that are called at once under the name of one, or that one."""
    if not key.startswith(MANY) or "-" in key:
        return [key]
    return [f"{key}-{number}" for number in range(_BATCH)]


def options_for(key: str, user_id: UUID) -> ExecuteOptions:
    """Return the request that everybody makes under a key."""
    return ExecuteOptions(
        idempotency_key=key, workflow_id=WORKFLOW, user_id=user_id, parameters={"key": key}
    )


def write(key: str, run: str, session: Any) -> dict[str, str]:
    """Have the effect that is a row, and return the result that tells of it."""
    session.execute(_WRITE, {"key": key, "run": run})
    return {"run": run}

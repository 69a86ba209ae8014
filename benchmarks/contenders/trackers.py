"""exec_tracker over psycopg2: on a pool of its own, on the host's engine, and in batches."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import create_engine

from benchmarks.contenders.base import RESULT, USER_ID, Contender
from exec_tracker import ExecuteOptions, ExecutionTracker, normalise_url

_USER = UUID(USER_ID)

LEASE: Final = timedelta(seconds=60)
"""Of claims that are held: a renewal takes along what comes due within 10 s of it."""


def _options(key: str, parameters: dict[str, Any] | None = None) -> ExecuteOptions:
    return ExecuteOptions(
        idempotency_key=key, workflow_id="charge", user_id=_USER, parameters=parameters
    )


def charge() -> dict[str, str]:
    """Be the function, as one of a host's modules has it."""
    return RESULT


class OwnPool(Contender):
    """A tracker that was given a URL, called as the README does."""

    def open(self, url: str, callers: int) -> None:
        """Make the tracker."""
        self.tracker = ExecutionTracker(url)

    def fresh(self, caller: int, key: str) -> Any:
        """Call it."""
        return self.tracker.execute_idempotent(_options(key), charge)

    def together(self, caller: int, key: str) -> Any:
        """Call it, and wait."""
        return self.tracker.execute_idempotent(_options(key), self.work, on_running="wait")

    def close(self) -> None:
        """Close the tracker."""
        self.tracker.close()


class WithParameters(OwnPool):
    """The same with parameters to validate, fingerprint and store, and a function made per call."""

    def fresh(self, caller: int, key: str) -> Any:
        """Call it with parameters, as a handler of requests does."""
        options = _options(key, {"order": 1042, "amount": 4200, "currency": "EUR"})
        return self.tracker.execute_idempotent(options, lambda: RESULT)


class HostPool(OwnPool):
    """A tracker that borrows connections of a host's engine."""

    def open(self, url: str, callers: int) -> None:
        """Make an engine as the tracker's documentation advises a host, and the tracker on it."""
        self.engine = create_engine(
            normalise_url(url), pool_size=max(callers, 5), pool_use_lifo=True
        )
        self.tracker = ExecutionTracker(self.engine)

    def close(self) -> None:
        """Close the tracker, then the engine."""
        super().close()
        self.engine.dispose()


class Leases(OwnPool):
    """A tracker that claims and never ends what it claimed, so that its heartbeat has to do."""

    def open(self, url: str, callers: int) -> None:
        """Make the tracker; all leases come due within half a period of each other."""
        self.tracker = ExecutionTracker(url, lease=LEASE)
        self._claims: list[Any] = []

    def fresh(self, caller: int, key: str) -> Any:
        """Claim a key, and hold it."""
        self._claims.append(self.tracker.claim(_options(key)))
        return self.work()

    def replay(self, caller: int, key: str) -> Any:
        """Do nothing: there is no result yet."""
        return self.work()


class Many(OwnPool):
    """A tracker that is given many keys at a time."""

    keys_per_call: ClassVar[int] = 200

    def fresh(self, caller: int, key: str) -> Any:
        """Call it with as many options, and return how many gave the result."""
        options = [_options(f"{key}-{n:03}") for n in range(self.keys_per_call)]
        return sum(one.data == RESULT for one in self.tracker.execute_many(options, charge))

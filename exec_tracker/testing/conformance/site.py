"""What the checks work with: keys of their own, a user, calls at the same time, and plain SQL."""

from __future__ import annotations

import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from exec_tracker.models import WorkflowExecution, WorkflowExecutionAttempt
from exec_tracker.testing.conformance.verdicts import PromiseBrokenError
from exec_tracker.tracker import ExecutionTracker
from exec_tracker.types import ExecuteOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import timedelta

    from sqlalchemy import Connection, Engine

    from exec_tracker.testing.conformance.users import Guest

__all__ = ["WORKFLOW", "Site"]

T = TypeVar("T")

WORKFLOW: Final = "exec_tracker conformance"
"""The workflow of every row that a check makes."""

_LOOK_AGAIN: Final = 0.02
_ROWS: Final = WorkflowExecution.__table__
_ATTEMPTS: Final = WorkflowExecutionAttempt.__table__


class Site:
    """One database under test; every key that is used here is remembered, and no other touched."""

    def __init__(
        self,
        engine: Engine,
        guest: Guest,
        schema: str | None,
        connections: int,
        patience: timedelta,
    ) -> None:
        """Borrow the engine."""
        self.engine = engine
        self.user_id = guest.user_id
        self.schema = schema
        self.connections = connections
        self.patience = patience.total_seconds()
        self.tracker = ExecutionTracker(engine, schema=schema)
        self.settings_before: set[tuple[str, str]] = set()
        self._guest = guest
        self._prefix = f"conformance:{secrets.token_hex(8)}"
        self._keys: list[str] = []

    def __enter__(self) -> Self:
        """Close the tracker at the end of the block; the engine stays its owner's."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the tracker."""
        self.tracker.close()

    def prepare(self) -> None:
        """Make the user; raises what the tracker raises where it cannot work here at all."""
        self.tracker.get_execution(self._prefix)  # the schema is checked before anything is written
        self._guest.arrive()

    def key(self) -> str:
        """Return a key that nobody has used, and remember to delete its row."""
        self._keys.append(f"{self._prefix}:{len(self._keys)}")
        return self._keys[-1]

    def options(self, **changes: Any) -> ExecuteOptions:
        """Return a request under a fresh key."""
        given = {"idempotency_key": self.key(), "workflow_id": WORKFLOW, "user_id": self.user_id}
        return ExecuteOptions(**{**given, **changes})

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction as the host does, committed at the end of the block."""
        with self.engine.connect() as connection:
            connection.execution_options(schema_translate_map={None: self.schema})
            with connection.begin():
                yield connection

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session as the host does; what it has not committed is rolled back."""
        mapped = self.engine.execution_options(schema_translate_map={None: self.schema})
        with Session(mapped) as session:
            yield session

    def change(self, key: str, **values: Any) -> None:
        """Update a row past the tracker, as anybody who may write can."""
        with self.transaction() as connection:
            connection.execute(update(WorkflowExecution).where(_ROWS.c.id == key).values(**values))

    def column(self, key: str, name: str) -> Any:
        """Return one column of a row, None where there is no row."""
        with self.transaction() as connection:
            return connection.scalar(select(_ROWS.c[name]).where(_ROWS.c.id == key))

    def exists(self, key: str) -> bool:
        """Tell whether there is a row, for whoever looks from outside."""
        return self.column(key, "id") is not None

    def at_once(self, call: Callable[[], T], times: int | None = None) -> list[T | Exception]:
        """Make the same call from many threads at the same moment; return answers and errors."""
        number = times or self.connections
        barrier = threading.Barrier(number)

        def begin() -> T | Exception:
            barrier.wait(self.patience)
            try:
                return call()
            except Exception as error:  # noqa: BLE001 # the check decides about it
                return error

        with ThreadPoolExecutor(number) as threads:
            started = [threads.submit(begin) for _ in range(number)]
            return [one.result() for one in started]

    def eventually(self, condition: Callable[[], T], otherwise: str) -> T:
        """Return the condition's first truthy value, or raise PromiseBrokenError."""
        deadline = time.monotonic() + self.patience
        while True:
            if value := condition():
                return value
            if time.monotonic() > deadline:
                raise PromiseBrokenError(f"{otherwise}, in {self.patience:g} s")
            time.sleep(_LOOK_AGAIN)

    def clean(self) -> None:
        """Delete every row that was made here, and the user."""
        with self.transaction() as connection:
            connection.execute(delete(WorkflowExecution).where(_ROWS.c.id.in_(self._keys)))
        self._guest.leave()

    def left_behind(self) -> Sequence[str]:
        """Return the keys whose rows are still there."""
        rows = select(_ROWS.c.id).where(_ROWS.c.id.in_(self._keys))
        history = select(_ATTEMPTS.c.execution_id).where(_ATTEMPTS.c.execution_id.in_(self._keys))
        with self.transaction() as connection:
            return list(connection.scalars(rows.union(history)))

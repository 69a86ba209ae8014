"""An interrupt while a result is saved: the result is stored, and the interrupt goes on."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.database import eventually
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.fixtures import NewSubject

WAITING = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


class TimeLimitError(Exception):
    """Such as a task queue raises from a signal handler: Celery's and RQ's are Exceptions."""


def time_limit(*_: object) -> None:
    raise TimeLimitError


class Interrupter(threading.Thread):
    """Locks the row that is to be written, interrupts whoever waits for it, and lets go.

    It lets go when another session waits: the first try was given up, and there is a second.
    """

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database
        self._locked = database.locked("SELECT 1 FROM workflow_executions FOR UPDATE")

    def lock_and_start(self) -> None:
        self._locked.__enter__()
        self.start()

    def run(self) -> None:
        try:
            first = eventually(self._waiting)
            os.kill(os.getpid(), signal.SIGINT)
            eventually(lambda: self._waiting() - first)
        finally:
            self._locked.__exit__(None, None, None)

    def _waiting(self) -> set[int]:
        return {row["pid"] for row in self._database.all(WAITING)}


# In an event loop a cancelled call is not told before its write has been answered.
@pytest.mark.parametrize(
    ("driver", "own_engine", "kind"),
    [
        ("sync-psycopg2", True, KeyboardInterrupt),
        ("sync-psycopg3", False, KeyboardInterrupt),
        ("sync-psycopg2", False, TimeLimitError),
        ("sync-psycopg3", True, TimeLimitError),
    ],
)
def test_a_result_is_stored_though_an_interrupt_comes_while_it_is_saved(
    new_subject: NewSubject,
    user_id: UUID,
    database: Database,
    *,
    own_engine: bool,
    kind: type[BaseException],
) -> None:
    subject, calls = new_subject(own_engine=own_engine), Calls("paid")
    interrupter = Interrupter(database)

    def lock_the_row(context: Any) -> Any:
        interrupter.lock_and_start()
        return calls(context)

    before = signal.getsignal(signal.SIGINT)
    if kind is TimeLimitError:
        signal.signal(signal.SIGINT, time_limit)
    with pytest.raises(kind):
        subject.execute(options("k", user_id), lock_the_row)
    signal.signal(signal.SIGINT, before)
    interrupter.join()
    row = database.row("k")
    assert (row["status"], row["result"], calls.count) == ("completed", "paid", 1)
    assert subject.execute_idempotent(options("k", user_id), calls) == "paid"
    assert (calls.count, subject.pool.checkedout()) == (1, 0)

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
    subject = new_subject(own_engine=own_engine)
    calls = Calls("paid")
    locked = database.locked("SELECT 1 FROM workflow_executions FOR UPDATE")

    def waiting(*, but: frozenset[int] = frozenset()) -> frozenset[int]:
        return frozenset(row["pid"] for row in database.all(WAITING)) - but

    def interrupt() -> None:
        first = eventually(waiting)
        os.kill(os.getpid(), signal.SIGINT)
        try:
            eventually(lambda: waiting(but=first))
        finally:
            locked.__exit__(None, None, None)

    interrupter = threading.Thread(target=interrupt)

    def lock_the_row(context: Any) -> Any:
        locked.__enter__()
        interrupter.start()
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

"""An interrupt while a result is saved: the result is stored, and the interrupt goes on."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.database import eventually
from tests.support.executors import Calls, options
from tests.support.subjects import open_subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.subjects import Subject

WAITING = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


# In an event loop a cancelled call is not told before its write has been answered.
@pytest.fixture(params=["sync-psycopg2", "sync-psycopg3"])
def subject(request: pytest.FixtureRequest, database_url: str) -> Iterator[Subject]:
    with open_subject(str(request.param), database_url) as subject:
        yield subject


def test_a_result_is_stored_though_an_interrupt_comes_while_it_is_saved(
    subject: Subject, user_id: UUID, database: Database
) -> None:
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

    with pytest.raises(KeyboardInterrupt):
        subject.execute(options("k", user_id), lock_the_row)
    interrupter.join()
    row = database.row("k")
    assert (row["status"], row["result"], calls.count) == ("completed", "paid", 1)
    assert subject.execute_idempotent(options("k", user_id), calls) == "paid"
    assert (calls.count, subject.pool.checkedout()) == (1, 0)

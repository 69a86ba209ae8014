"""A driver that gives up waiting for the server's answer, as asyncpg's `command_timeout` has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.database import eventually
from tests.support.executors import Calls, options
from tests.support.subjects import open_subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.fixtures import Background
    from tests.support.subjects import Subject

NEW_KEY = (
    "INSERT INTO workflow_executions (id, workflow_id, user_id, status)"
    " VALUES (%s, 'w', %s, 'pending')"
)
WAITING = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def impatient(database_url: str) -> Iterator[Subject]:
    """A tracker on a host's engine that waits 0.3 seconds for any answer."""
    engine = {"pool_size": 1, "max_overflow": 0, "connect_args": {"command_timeout": 0.3}}
    with open_subject("async-asyncpg", database_url, engine=engine) as subject:
        yield subject


def wait_for_another_try(database: Database) -> None:
    """Wait until a second session waits for the lock: the first was given up."""
    sessions: set[int] = set()

    def look() -> bool:
        sessions.update(row["pid"] for row in database.all(WAITING))
        return len(sessions) > 1

    eventually(look)


def test_a_claim_whose_answer_is_not_waited_for_is_repeated(
    impatient: Subject, user_id: UUID, database: Database, background: Background
) -> None:
    calls = Calls("done")
    with database.locked(NEW_KEY, "k", str(user_id)):
        first = background(impatient.execute, options("k", user_id), calls)
        wait_for_another_try(database)
    assert (first.result().data, calls.count, impatient.pool.checkedout()) == ("done", 1, 0)


def test_a_completion_whose_answer_is_not_waited_for_is_repeated(
    impatient: Subject, user_id: UUID, database: Database, background: Background
) -> None:
    locked = database.locked("SELECT 1 FROM workflow_executions FOR UPDATE")
    calls = Calls("done")

    def lock_the_row(context: Any) -> Any:
        locked.__enter__()
        return calls(context)

    first = background(impatient.execute, options("k", user_id), lock_the_row)
    wait_for_another_try(database)
    locked.__exit__(None, None, None)
    assert (first.result().data, calls.count) == ("done", 1)
    assert database.row("k")["status"] == "completed"


def test_a_transaction_whose_answer_is_not_waited_for_is_repeated(
    impatient: Subject, user_id: UUID, database: Database, background: Background
) -> None:
    calls = Calls("done")
    with database.locked(NEW_KEY, "k", str(user_id)):
        first = background(impatient.execute_in_transaction, options("k", user_id), calls)
        wait_for_another_try(database)
    assert (first.result(), calls.count, impatient.pool.checkedout()) == ("done", 1, 0)

"""Time-outs of the server that end a session under a call: said as what they are, and survived."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url

from tests.support.database import eventually
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.fixtures import Background, NewSubject

NEW_KEY = (
    "INSERT INTO workflow_executions (id, workflow_id, user_id, status)"
    " VALUES (%s, 'w', %s, 'pending')"
)
WAITING = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def set_for_all(database: Database, name: str, value: str) -> None:
    """Set a parameter of the server for sessions that begin from now on."""
    database.run(f'ALTER DATABASE "{make_url(database.url).database}" SET {name} = {value!r}')


def test_a_claim_whose_session_the_server_ends_is_repeated_on_another(
    new_subject: NewSubject, user_id: UUID, database: Database, background: Background
) -> None:
    if database.value("SELECT current_setting('server_version_num')::int") < 170000:
        pytest.skip("transaction_timeout came with PostgreSQL 17")
    set_for_all(database, "transaction_timeout", "300ms")
    subject, calls = new_subject(engine={"pool_size": 1, "max_overflow": 0}), Calls("done")
    sessions: set[int] = set()

    def look() -> bool:
        sessions.update(row["pid"] for row in database.all(WAITING))
        return len(sessions) > 1

    with database.locked(f"SET transaction_timeout = 0; {NEW_KEY}", "k", str(user_id)):
        first = background(subject.execute, options("k", user_id), calls)
        eventually(look)
    assert (first.result().data, calls.count) == ("done", 1)
    assert subject.pool.checkedout() == 0

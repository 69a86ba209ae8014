"""A closed tracker keeps nothing open, once what it was doing has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url

from exec_tracker import ConfigurationError, ExecutionTracker
from tests.support.database import eventually
from tests.support.executors import Held, options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.fixtures import Background

CONNECTIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
@pytest.mark.parametrize("verb", ["execute_idempotent", "execute_in_transaction"])
def test_no_connection_is_left_once_the_work_of_a_closed_tracker_has_ended(
    database: Database, user_id: UUID, background: Background, driver: str, verb: str
) -> None:
    url = make_url(database.url).set(drivername=f"postgresql+{driver}")
    tracker = ExecutionTracker(url)
    executor = Held("stored")
    running = background(getattr(tracker, verb), options("k", user_id), executor)
    executor.wait_until_begun()
    tracker.close()
    with pytest.raises(ConfigurationError, match="closed"):
        tracker.execute(options("other", user_id), lambda: 1)
    executor.release()
    assert running.result(10) == "stored"
    assert database.row("k")["status"] == "completed"
    eventually(lambda: database.value(CONNECTIONS) == 0, 5)


def test_closing_twice_is_closing_once(database: Database, user_id: UUID) -> None:
    with ExecutionTracker(database.url) as tracker:
        tracker.execute(options("k", user_id), lambda: 1)
        tracker.close()
    eventually(lambda: database.value(CONNECTIONS) == 0, 5)

"""A tracker that was given a URL keeps connections of its own, in autocommit, between calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exec_tracker import ExecutionTracker
from tests.support.database import eventually
from tests.support.executors import Calls, options
from tests.support.pgbouncer import backends

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.fixtures import Background

KEPT = 15
"""pool_size and max_overflow, as SQLAlchemy has them."""


@pytest.fixture
def own(database: Database) -> Iterator[ExecutionTracker]:
    with ExecutionTracker(database.url) as tracker:
        yield tracker


def test_one_thread_uses_one_connection_for_all_its_calls(
    own: ExecutionTracker, database: Database, user_id: UUID
) -> None:
    seen = set()
    for number in range(5):
        own.execute_idempotent(options(f"k-{number}", user_id), Calls(), lease=None)
        seen |= backends(database)
    assert len(seen) == 1


def test_no_more_than_fifteen_are_opened_and_who_comes_then_waits(
    own: ExecutionTracker, database: Database, background: Background
) -> None:
    own.get_execution("none")
    with database.locked("LOCK TABLE workflow_executions"):
        asked = [background(own.get_execution, "none") for _ in range(2 * KEPT)]
        eventually(lambda: len(backends(database)) == KEPT + 1)  # and the one that has the lock
    assert [one.result() for one in asked] == [None] * (2 * KEPT)
    assert len(backends(database)) <= KEPT + 1


def test_closing_the_tracker_closes_them(own: ExecutionTracker, database: Database) -> None:
    own.get_execution("none")
    assert len(backends(database)) == 1
    own.close()
    eventually(lambda: backends(database) == set())


def test_they_are_in_autocommit_and_idle_between_calls(
    own: ExecutionTracker, database: Database, user_id: UUID
) -> None:
    own.execute_idempotent(options("k", user_id), Calls(), lease=None)
    (state,) = database.all(
        "SELECT state, xact_start FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    assert state == {"state": "idle", "xact_start": None}

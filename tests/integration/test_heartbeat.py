"""Leases are kept alive while the function runs, however long it takes."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.support.database import eventually
from tests.support.executors import Calls, Held, options

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker import ExecutionContext
    from exec_tracker.testing import DatabaseClock
    from tests.support.database import Database
    from tests.support.fixtures import NewSubject, Running
    from tests.support.subjects import Subject

SHORT = timedelta(seconds=0.6)
HOUR = timedelta(hours=1)


def renewals(database: Database, key: str) -> Any:
    """Return a look at how the lease has moved since."""
    before = database.row(key)["lease_expires_at"]
    return lambda: database.row(key)["lease_expires_at"] > before


def test_a_lease_shorter_than_the_work_is_kept_alive(
    subject: Subject, user_id: UUID, running: Running
) -> None:
    executor, first = running(subject, options("k", user_id), lease=SHORT)
    ends = time.monotonic() + 3 * SHORT.total_seconds()
    while time.monotonic() < ends:
        assert not subject.get_execution("k").is_abandoned
        time.sleep(0.05)
    executor.release()
    assert first.result() == "done"


def test_a_row_locked_by_the_host_does_not_stop_the_renewal_of_others(
    subject: Subject, user_id: UUID, running: Running, database: Database
) -> None:
    keys = ("a", "b", "c")
    held = [running(subject, options(key, user_id), lease=SHORT) for key in keys]
    with database.locked("SELECT 1 FROM workflow_executions WHERE id = 'b' FOR UPDATE"):
        time.sleep(2 * SHORT.total_seconds())
        abandoned = {key: subject.get_execution(key).is_abandoned for key in keys}
        assert abandoned == {"a": False, "b": True, "c": False}
    eventually(lambda: not subject.get_execution("b").is_abandoned)
    for executor, first in held:
        executor.release()
        assert first.result() == "done"


def test_an_expired_lease_is_renewed_as_long_as_the_token_stands(
    subject: Subject, user_id: UUID, running: Running, database_clock: DatabaseClock
) -> None:
    running(subject, options("k", user_id), lease=SHORT)
    database_clock.advance(HOUR)
    eventually(lambda: not subject.get_execution("k").is_abandoned)


def test_all_leases_of_a_tracker_are_renewed_on_one_connection_beside_the_pool(
    new_subject: NewSubject, user_id: UUID, running: Running, database: Database
) -> None:
    subject = new_subject(engine={"pool_size": 5, "max_overflow": 0})
    for number in range(20):
        running(subject, options(f"k{number:02}", user_id), lease=timedelta(seconds=1))
    moved = [renewals(database, f"k{number:02}") for number in range(20)]
    eventually(lambda: all(look() for look in moved))
    assert subject.pool.checkedout() == 0
    assert database.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    ) <= 6  # fmt: skip


def test_renewal_goes_on_while_the_hosts_pool_is_exhausted(
    new_subject: NewSubject, user_id: UUID, running: Running, database: Database
) -> None:
    subject = new_subject(engine={"pool_size": 1, "max_overflow": 0})
    executor, first = running(subject, options("k", user_id), lease=SHORT)
    release = threading.Event()
    holder = threading.Thread(target=subject.host_query, args=("SELECT pg_sleep(1.5)",))
    holder.start()
    ends = time.monotonic() + 1.2
    while time.monotonic() < ends:
        lease = database.value(
            "SELECT lease_expires_at > clock_timestamp() FROM workflow_executions"
        )
        assert lease
        time.sleep(0.05)
    release.set()
    holder.join()
    executor.release()
    assert first.result() == "done"


def test_the_function_hears_that_its_lease_is_lost(
    subject: Subject, user_id: UUID, running: Running, database: Database
) -> None:
    executor = Watching()
    _, first = running(subject, options("k", user_id), executor, lease=SHORT)
    database.run("DELETE FROM workflow_executions")
    assert eventually(lambda: executor.context.lease_lost)
    executor.release()
    assert first.exception() is not None


def test_a_lost_lease_does_not_disturb_the_others(
    subject: Subject, user_id: UUID, running: Running, database: Database
) -> None:
    for key in ("lost", "kept"):
        running(subject, options(key, user_id), lease=SHORT)
    database.run("DELETE FROM workflow_executions WHERE id = 'lost'")
    for _ in range(2):
        eventually(renewals(database, "kept"))


def test_the_function_can_renew_its_lease_itself(
    subject: Subject, user_id: UUID, running: Running, database: Database
) -> None:
    executor = Watching()
    running(subject, options("k", user_id), executor, lease=HOUR)
    moved = renewals(database, "k")
    executor.context.heartbeat()
    eventually(moved)


def test_a_heartbeat_without_a_lease_is_nothing(subject: Subject, user_id: UUID) -> None:
    def beat(context: ExecutionContext) -> str:
        context.heartbeat()
        return "done"

    done = subject.execute_idempotent(options("k", user_id), beat, lease=None, result_type=str)
    assert done == "done"


def test_an_ended_execution_is_no_longer_renewed(
    subject: Subject, user_id: UUID, running: Running, database: Database
) -> None:
    running(subject, options("kept", user_id), lease=SHORT)
    subject.execute(options("k", user_id), Calls(), lease=SHORT)
    eventually(renewals(database, "kept"))
    assert database.row("k")["lease_expires_at"] is None


class Watching(Held):
    """Shows its context while it runs."""

    context: ExecutionContext

    def __call__(self, context: Any) -> Any:
        self.context = context
        return super().__call__(context)

"""Connections that die at the worst moment: one effect, one truth in the row."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from exec_tracker import TransientStorageError
from tests.support.database import eventually
from tests.support.executors import Calls, options
from tests.support.proxy import Proxy, proxied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.fixtures import Background, NewSubject, Running
    from tests.support.subjects import Subject

TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
# Sequences do not roll back, so that only the first write to this status is held up. Its name is
# qualified: the functions of the schema run the host's triggers under an empty search path.
STALL = """
CREATE SEQUENCE stalls;
CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('public.stalls') = 1 THEN PERFORM pg_sleep(30); END IF;
    RETURN NEW;
END $$;
"""


def stall(database: Database, event: str, when: str, timing: str = "BEFORE") -> None:
    database.run(STALL)
    kind = "CONSTRAINT TRIGGER" if timing == "AFTER" else "TRIGGER"
    deferred = "DEFERRABLE INITIALLY DEFERRED" if timing == "AFTER" else ""
    database.run(
        f"CREATE {kind} stall {timing} {event} ON workflow_executions {deferred}"
        f" FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION stall()"
    )


def cut_where_it_stalls(database: Database) -> None:
    assert eventually(lambda: database.value(TERMINATE + " AND wait_event = 'PgSleep'"))


def test_connections_cut_while_the_function_runs_do_not_matter(
    subject: Subject, user_id: UUID, running: Running, database: Database
) -> None:
    executor, first = running(subject, options("k", user_id))
    assert database.value(TERMINATE) >= 1
    executor.release()
    assert first.result() == "done"
    assert database.row("k")["status"] == "completed"


@pytest.mark.parametrize("timing", ["BEFORE", "AFTER"], ids=["during the write", "in the commit"])
def test_a_completion_whose_connection_dies_is_repeated(
    subject: Subject, user_id: UUID, database: Database, background: Background, timing: str
) -> None:
    stall(database, "UPDATE", "NEW.status = 'completed'", timing)
    calls = Calls("done")
    first = background(subject.execute, options("k", user_id), calls)
    cut_where_it_stalls(database)
    assert (first.result().data, first.result().cached, calls.count) == ("done", False, 1)
    assert database.row("k")["result"] == "done"


@pytest.mark.parametrize("timing", ["BEFORE", "AFTER"], ids=["during the write", "in the commit"])
def test_a_failure_whose_connection_dies_is_repeated_and_in_the_history_once(
    subject: Subject, user_id: UUID, database: Database, background: Background, timing: str
) -> None:
    stall(database, "UPDATE", "NEW.status = 'failed'", timing)
    first = background(subject.execute, options("k", user_id), Calls(raises=ValueError("no")))
    cut_where_it_stalls(database)
    error = first.exception()
    assert isinstance(error, ValueError)
    assert not hasattr(error, "__notes__")
    assert database.row("k")["status"] == "failed"
    assert len(database.attempts("k")) == 1


@pytest.mark.parametrize("timing", ["BEFORE", "AFTER"], ids=["during the write", "in the commit"])
def test_a_claim_whose_connection_dies_is_repeated(
    subject: Subject, user_id: UUID, database: Database, background: Background, timing: str
) -> None:
    stall(database, "INSERT", "NEW.status = 'running'", timing)
    calls = Calls("done")
    first = background(subject.execute_idempotent, options("k", user_id), calls)
    cut_where_it_stalls(database)
    assert (first.result(), calls.count) == ("done", 1)
    assert database.row("k")["attempt"] == 1


@pytest.fixture
def way(database_url: str) -> Iterator[tuple[str, Proxy]]:
    with proxied(database_url) as way:
        yield way


def test_a_claim_whose_answer_is_lost_is_recognised_as_ones_own(
    new_subject: NewSubject, user_id: UUID, way: tuple[str, Proxy], database: Database
) -> None:
    subject, calls = new_subject(way[0]), Calls("done")
    subject.get_execution("k")
    way[1].swallow_next(b"SELECT 1\0")
    done = subject.execute(options("k", user_id), calls)
    assert (way[1].cuts, done.data, done.cached, calls.count) == (1, "done", False, 1)
    assert database.row("k")["attempt"] == 1


def test_a_completion_whose_answer_is_lost_is_recognised_as_ones_own(
    new_subject: NewSubject, user_id: UUID, way: tuple[str, Proxy], database: Database
) -> None:
    subject, calls = new_subject(way[0]), Calls({"paid": 1.0})
    subject.get_execution("k")
    way[1].swallow_next(b"SELECT 1\0", skip=1)  # the one before is the answer to the claim
    done = subject.execute(options("k", user_id), calls)
    assert (way[1].cuts, done.data, done.cached, calls.count) == (1, {"paid": 1.0}, False, 1)
    assert database.row("k")["status"] == "completed"


def test_a_take_over_whose_answer_is_lost_is_recognised_as_ones_own(
    new_subject: NewSubject, user_id: UUID, way: tuple[str, Proxy], database: Database
) -> None:
    subject, calls = new_subject(way[0]), Calls("done")
    subject.create_execution(options("k", user_id))
    way[1].swallow_next(b"SELECT 1\0", skip=1)  # the one before is the answer to the read
    subject.execute(options("k", user_id), calls)
    assert (way[1].cuts, calls.count, database.row("k")["attempt"]) == (1, 1, 1)


def test_a_failure_whose_answer_is_lost_is_in_the_history_once(
    new_subject: NewSubject, user_id: UUID, way: tuple[str, Proxy], database: Database
) -> None:
    subject, calls = new_subject(way[0]), Calls(raises=ValueError("no"))

    def arm() -> None:
        way[1].swallow_next(b"SELECT 1\0")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        subject.execute(options("k", user_id), arm)
    assert way[1].cuts == 1
    assert database.row("k")["status"] == "failed"
    assert len(database.attempts("k")) == 1
    with pytest.raises(ValueError, match="no"):
        subject.execute(options("k", user_id), calls)
    assert [attempt["attempt"] for attempt in database.attempts("k")] == [1, 2]


def test_a_mark_whose_answer_is_lost_is_a_storage_error_that_may_be_repeated(
    new_subject: NewSubject, user_id: UUID, way: tuple[str, Proxy], database: Database
) -> None:
    subject = new_subject(way[0])
    subject.create_execution(options("k", user_id))
    way[1].swallow_next(b"UPDATE 1\0")
    with pytest.raises(TransientStorageError) as caught:
        subject.mark_completed("k", 1)
    assert caught.value.in_doubt
    assert subject.mark_completed("k", 1).result == 1


def test_a_heartbeat_whose_connection_dies_goes_on_with_another(
    subject: Subject, user_id: UUID, running: Running, database: Database
) -> None:
    executor, first = running(subject, options("k", user_id), lease=timedelta(seconds=0.9))
    for _ in range(3):
        time.sleep(0.4)
        database.run(TERMINATE)
    time.sleep(1)
    assert database.value("SELECT lease_expires_at > clock_timestamp() FROM workflow_executions")
    executor.release()
    assert first.result() == "done"

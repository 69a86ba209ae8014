"""Databases that cannot be used, or only be read."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker

from exec_tracker import (
    ConfigurationError,
    ExecutionTracker,
    StorageError,
    TransientStorageError,
    get_execution_tracker,
    reset_execution_tracker,
)
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.fixtures import NewSubject
    from tests.support.subjects import Subject


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can answer there
        yield taken.getsockname()[1]


def test_an_unreachable_server_is_said_so_at_once(
    new_subject: NewSubject, database_url: str, closed_port: int
) -> None:
    url = make_url(database_url).set(host="127.0.0.1", port=closed_port, password="secret")
    subject = new_subject(url.render_as_string(hide_password=False))
    calls = Calls()
    with pytest.raises(TransientStorageError, match="cannot be reached") as caught:
        subject.execute(options("k", uuid4()), calls)
    with pytest.raises(TransientStorageError, match="cannot be reached"):
        subject.get_recent_executions(uuid4())
    assert "secret" not in str(caught.value)
    assert calls.count == 0


def test_a_database_that_does_not_exist_is_said_so(
    new_subject: NewSubject, database_url: str
) -> None:
    url = make_url(database_url).set(database="there_is_none")
    subject = new_subject(url.render_as_string(hide_password=False))
    with pytest.raises(StorageError, match="there_is_none") as caught:
        subject.get_execution("k")
    assert caught.value.sqlstate == "3D000"
    assert not isinstance(caught.value, TransientStorageError)


def test_a_login_that_is_not_let_in_is_said_so_and_not_tried_again(
    new_subject: NewSubject, database_url: str
) -> None:
    url = make_url(database_url).set(username="exec_tracker_nobody", password="secret")
    subject = new_subject(url.render_as_string(hide_password=False))
    calls = Calls()
    for ask, argument in (
        (subject.get_recent_executions, (uuid4(),)),
        (subject.execute, (options("k", uuid4()), calls)),
    ):
        with pytest.raises(StorageError, match="refused the connection") as caught:
            ask(*argument)
        # The role does not exist: a server that asks for passwords does not tell.
        assert caught.value.sqlstate in {"28000", "28P01"}
        assert not isinstance(caught.value, TransientStorageError)
        assert "secret" not in str(caught.value)
    assert calls.count == 0


@pytest.fixture
def read_only(database: Database, subject: Subject, user_id: UUID) -> Database:
    """A database that has become read-only after two executions."""
    subject.execute(options("done", user_id), Calls("stored"))
    with pytest.raises(ValueError, match="no"):
        subject.execute(options("failed", user_id), Calls(raises=ValueError("no")))
    name = make_url(database.url).database
    database.run(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    return database


def test_a_read_only_server_replays(
    read_only: Database, new_subject: NewSubject, user_id: UUID
) -> None:
    calls = Calls()
    assert new_subject().execute_idempotent(options("done", user_id), calls) == "stored"
    assert len(new_subject().get_recent_executions(user_id)) == 2
    assert calls.count == 0


@pytest.mark.parametrize("key", ["fresh", "failed"])
def test_a_read_only_server_runs_nothing_and_says_why(
    read_only: Database, new_subject: NewSubject, user_id: UUID, key: str
) -> None:
    calls = Calls()
    with pytest.raises(StorageError, match="read-only"):
        new_subject().execute(options(key, user_id), calls)
    assert calls.count == 0


def test_other_databases_than_postgresql_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="PostgreSQL"):
        ExecutionTracker("sqlite://")
    engine = create_engine("sqlite://")
    with pytest.raises(ConfigurationError, match="sqlite"):
        ExecutionTracker(engine)
    with pytest.raises(ConfigurationError, match="sqlite"):
        ExecutionTracker(sessionmaker(engine))


def test_a_factory_that_leads_to_several_engines_or_none_is_refused(database_url: str) -> None:
    engine = create_engine(database_url)
    with pytest.raises(ConfigurationError, match="several engines"):
        ExecutionTracker(sessionmaker(binds={object: engine}))
    with pytest.raises(ConfigurationError, match="no engine"):
        ExecutionTracker(sessionmaker())


def test_a_factory_with_an_engine_works(database_url: str, user_id: UUID) -> None:
    engine = create_engine(database_url)
    with ExecutionTracker(sessionmaker(engine)) as tracker:
        assert tracker.execute_idempotent(options("k", user_id), Calls(1)) == 1
    engine.dispose()


def test_a_closed_tracker_says_so(tracker: ExecutionTracker, user_id: UUID) -> None:
    tracker.close()
    tracker.close()
    with pytest.raises(ConfigurationError, match="closed"):
        tracker.execute(options("k", user_id), Calls())
    with pytest.raises(ConfigurationError, match="closed"):
        tracker.get_recent_executions(user_id)
    assert "closed" in repr(tracker)


def test_the_password_is_not_in_the_trackers_repr(database_url: str) -> None:
    url = make_url(database_url).set(password="hunter2")
    tracker = ExecutionTracker(url)
    assert "hunter2" not in repr(tracker)
    tracker.close()


def test_the_shared_tracker_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, database_url: str, user_id: UUID
) -> None:
    reset_execution_tracker()
    monkeypatch.delenv("EXEC_TRACKER_DATABASE_URL", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match="EXEC_TRACKER_DATABASE_URL"):
        get_execution_tracker()
    monkeypatch.setenv("EXEC_TRACKER_DATABASE_URL", database_url)
    shared = get_execution_tracker()
    assert get_execution_tracker() is shared
    assert shared.execute_idempotent(options("k", user_id), Calls(1)) == 1
    reset_execution_tracker()
    with pytest.raises(ConfigurationError, match="closed"):
        shared.get_execution("k")
    assert get_execution_tracker() is not shared
    reset_execution_tracker()

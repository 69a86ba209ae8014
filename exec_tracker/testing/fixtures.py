"""The fixtures: throwaway databases, users in them, and trackers on them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from exec_tracker.settings import normalise_url
from exec_tracker.testing.clock import DatabaseClock
from exec_tracker.testing.databases import embedded_server
from exec_tracker.testing.effects import Effects, ExecutedOnce
from exec_tracker.testing.plugin import server_of
from exec_tracker.testing.roles import AsRole, AsUser, in_role
from exec_tracker.testing.throwaway import ThrowawayDatabases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exec_tracker.embedded import EmbeddedPostgres
    from exec_tracker.testing.databases import Server
    from exec_tracker.tracker import ExecutionTracker

__all__ = [
    "as_anon",
    "as_service",
    "as_user",
    "crashable_postgres",
    "database_clock",
    "database_url",
    "effects",
    "empty_database_url",
    "executed_once",
    "migrated_template",
    "other_user_id",
    "postgres_server",
    "throwaway_databases",
    "tracker",
    "user_id",
]


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Server:
    """Return the server of this test run; xdist's workers share it."""
    return server_of(pytestconfig)


@pytest.fixture(scope="session")
def throwaway_databases(postgres_server: Server) -> Iterator[ThrowawayDatabases]:
    """Yield the maker of databases that are dropped after use."""
    databases = ThrowawayDatabases(postgres_server)
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def migrated_template(
    postgres_server: Server, throwaway_databases: ThrowawayDatabases
) -> Iterator[str]:
    """Yield the name of a database migrated to head, to be copied and never connected to."""
    from exec_tracker import migrations  # noqa: PLC0415 - only for tests that want a schema

    with throwaway_databases.database("template") as name:
        migrations.upgrade(postgres_server.database_url(name))
        yield name


@pytest.fixture
def empty_database_url(throwaway_databases: ThrowawayDatabases) -> Iterator[str]:
    """Yield the URL of a database of this test's own, without our schema."""
    with throwaway_databases.database_url() as url:
        yield url


@pytest.fixture
def database_url(throwaway_databases: ThrowawayDatabases, migrated_template: str) -> Iterator[str]:
    """Yield the URL of a database of this test's own, migrated to head."""
    with throwaway_databases.database_url(migrated_template) as url:
        yield url


@pytest.fixture
def user_id(database_url: str) -> UUID:
    """Return the id of a user who exists in `auth.users`."""
    return _add_user(database_url)


@pytest.fixture
def other_user_id(database_url: str) -> UUID:
    """Return the id of a second user who exists in `auth.users`."""
    return _add_user(database_url)


@pytest.fixture
def as_user(database_url: str) -> AsUser:
    """Return `as_user(user_id)`, which opens a transaction as that user of the API."""
    return partial(in_role, database_url, "authenticated")


@pytest.fixture
def as_anon(database_url: str) -> AsRole:
    """Return `as_anon()`, which opens a transaction as a visitor who has not signed in."""
    return partial(in_role, database_url, "anon")


@pytest.fixture
def as_service(database_url: str) -> AsRole:
    """Return `as_service()`, which opens a transaction as the service role."""
    return partial(in_role, database_url, "service_role")


@pytest.fixture
def database_clock(database_url: str) -> DatabaseClock:
    """Return the clock of this test's database; `advance` lets time pass."""
    return DatabaseClock(database_url)


@pytest.fixture
def effects(database_url: str) -> Effects:
    """Return a maker of executors whose effects can be counted."""
    return Effects(database_url)


@pytest.fixture
def executed_once(database_url: str) -> ExecutedOnce:
    """Return the assertion that an execution has completed, in its first attempt."""
    return ExecutedOnce(database_url)


@pytest.fixture
def crashable_postgres() -> Iterator[EmbeddedPostgres]:
    """Yield a server of this test's own, durable as in production, to be stopped and killed."""
    with embedded_server(durable=True) as server:
        yield server


@pytest.fixture
def tracker(database_url: str) -> Iterator[ExecutionTracker]:
    """Yield a tracker on this test's database, closed afterwards."""
    from exec_tracker.tracker import ExecutionTracker  # noqa: PLC0415 - only where asked for

    tracker = ExecutionTracker(database_url)
    yield tracker
    tracker.close()


def _add_user(url: str) -> UUID:
    user = uuid4()
    engine = create_engine(normalise_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO auth.users (id) VALUES (:id)"), {"id": user})
    return user

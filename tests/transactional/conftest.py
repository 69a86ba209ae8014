"""A host application for each driver, and its ledger as seen from outside."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from sqlalchemy.schema import CreateTable

from tests.transactional.hosts import HOSTS, Entry, open_host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.database import Database
    from tests.transactional.hosts import Host


class NewHost(Protocol):
    """Makes a host with these engine options, closed at the end of the test."""

    def __call__(self, **engine: Any) -> Host: ...


class Ledger:
    """The host's table, read and written past every session."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.run(str(CreateTable(Entry.__table__)).replace("INTEGER", "SERIAL"))  # type: ignore[arg-type]

    @property
    def notes(self) -> set[str]:
        """What is committed."""
        return {row["note"] for row in self._database.all("SELECT note FROM ledger")}

    def sleep_at_commit(self, seconds: float) -> None:
        """Have every commit that wrote here take so long."""
        self._database.run(
            "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS"
            f" 'BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END'"
        )
        self._database.run(
            "CREATE CONSTRAINT TRIGGER nap AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION nap()"
        )

    def wake_at_commit(self) -> None:
        """Let commits be quick again."""
        self._database.run("CREATE OR REPLACE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS"
                           " 'BEGIN RETURN NULL; END'")  # fmt: skip


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


@pytest.fixture(params=HOSTS)
def host_driver(request: pytest.FixtureRequest) -> str:
    """A kind of tracker and the driver below it."""
    return str(request.param)


@pytest.fixture
def new_host(host_driver: str, database_url: str, ledger: Ledger) -> Iterator[NewHost]:
    with ExitStack() as opened:

        def make(**engine: Any) -> Host:
            return opened.enter_context(open_host(host_driver, database_url, **engine))

        yield make


@pytest.fixture
def host(new_host: NewHost) -> Host:
    return new_host()

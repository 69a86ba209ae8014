"""Migrating through pgbouncer in transaction mode: it works, and nothing stays behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, make_url

from exec_tracker import migrations
from tests.integration.cli_support import CommandLine, ended
from tests.support.database import Database
from tests.support.pgbouncer import leftovers, pgbouncer, program

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    program() is None, reason="pgbouncer is not installed: apt-get install pgbouncer"
)


@pytest.fixture
def pooled_url(empty_database_url: str) -> Iterator[str]:
    """The empty database through the pooler; every session in it is looked at afterwards."""
    with pgbouncer(empty_database_url) as url:
        yield url
        assert leftovers(Database(empty_database_url), url) == []


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
@pytest.mark.parametrize("schema", [None, "app"])
def test_an_upgrade_and_a_downgrade_through_a_pooler(
    pooled_url: str, driver: str, schema: str | None
) -> None:
    url = make_url(pooled_url).set(drivername=f"postgresql+{driver}")
    migrations.upgrade(url, schema=schema)
    assert migrations.check(url, schema=schema) == []
    migrations.downgrade(url, "0001_exec_tracker", schema=schema)
    migrations.upgrade(url, schema=schema)
    assert migrations.check(url, schema=schema) == []


def test_several_upgraders_through_a_pooler_take_turns(pooled_url: str) -> None:
    line = CommandLine(pooled_url)
    upgraders = [line.start("db", "upgrade") for _ in range(3)]
    assert [ended(one).status for one in upgraders] == [0, 0, 0]
    assert migrations.check(pooled_url) == []


def test_a_hosts_transaction_through_a_pooler_is_joined(pooled_url: str) -> None:
    engine = create_engine(make_url(pooled_url).set(drivername="postgresql+psycopg2"))
    with engine.begin() as connection:
        migrations.upgrade(connection)
    assert migrations.check(engine) == []
    engine.dispose()

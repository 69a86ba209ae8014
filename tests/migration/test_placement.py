"""A schema other than public, and connections that belong to somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, create_engine, inspect, text

from exec_tracker import migrations
from exec_tracker.errors import ConfigurationError
from exec_tracker.models import Base

if TYPE_CHECKING:
    from collections.abc import Callable


def tables(engine: Engine, schema: str) -> set[str]:
    return set(inspect(engine).get_table_names(schema=schema))


OURS = {*Base.metadata.tables, migrations.VERSION_TABLE}


@pytest.mark.parametrize("schema", ["app", "Odd", "select"])
def test_everything_can_live_in_a_schema_of_its_own(engine: Engine, schema: str) -> None:
    migrations.upgrade(engine, schema=schema)
    assert tables(engine, schema) == OURS
    assert tables(engine, "public") == set()
    assert migrations.check(engine, schema=schema) == []
    assert migrations.current(engine, schema=schema) is not None
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW search_path")) == '"$user", public'
    migrations.downgrade(engine, schema=schema)
    assert tables(engine, schema) == {migrations.VERSION_TABLE}


def test_a_script_for_a_schema_makes_what_an_upgrade_makes(
    engine: Engine, other_engine: Engine, dump: Callable[..., str], psql: Callable[..., str]
) -> None:
    migrations.upgrade(engine, schema="app")
    psql(other_engine.url, migrations.sql(schema="app", identity="standalone"))
    assert dump(other_engine.url) == dump(engine.url)


def test_readers_may_enter_the_schema(engine: Engine) -> None:
    migrations.upgrade(engine, schema="app")
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL ROLE authenticated"))
        assert connection.scalar(text("SELECT count(*) FROM app.workflow_executions")) == 0


def test_two_schemas_of_one_database_do_not_meet(engine: Engine) -> None:
    migrations.upgrade(engine, schema="one")
    migrations.upgrade(engine)
    migrations.upgrade(engine, schema="two")
    for schema in ("one", "two", None):
        assert migrations.check(engine, schema=schema) == []
    migrations.downgrade(engine, schema="one")
    assert migrations.check(engine) == []


def test_asking_makes_no_schema(engine: Engine) -> None:
    assert migrations.check(engine, schema="nowhere") != []
    assert migrations.current(engine, schema="nowhere") is None
    assert "nowhere" not in inspect(engine).get_schema_names()


@pytest.mark.parametrize("schema", [None, "app"])
def test_a_transaction_of_the_caller_is_joined_and_never_ended(
    engine: Engine, schema: str | None
) -> None:
    with engine.connect() as connection:
        transaction = connection.begin()
        connection.execute(text("CREATE TABLE theirs (id int)"))
        migrations.upgrade(connection, schema=schema)
        assert connection.scalar(text("SHOW search_path")) == '"$user", public'
        assert connection.scalar(text("SHOW lock_timeout")) == "0"
        assert transaction.is_active
        transaction.rollback()
    assert tables(engine, "public") == set()
    assert tables(engine, schema or "public") == set()


def test_a_joined_upgrade_makes_what_any_upgrade_makes(
    engine: Engine, other_engine: Engine, dump: Callable[..., str]
) -> None:
    with engine.begin() as connection:
        migrations.upgrade(connection)
    migrations.upgrade(other_engine)
    assert dump(engine.url) == dump(other_engine.url)


def test_a_connection_without_a_transaction_is_given_back_without_one(engine: Engine) -> None:
    with engine.connect() as connection:
        migrations.upgrade(connection)
        assert not connection.in_transaction()
        assert migrations.check(connection) == []


def test_a_failure_leaves_the_callers_transaction_to_the_caller(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE workflow_executions (id text)"))
    with engine.connect() as connection:
        transaction = connection.begin()
        with pytest.raises(Exception, match="alembic stamp"):
            migrations.upgrade(connection)
        assert transaction.is_active
        transaction.rollback()


def test_any_kind_of_target_will_do(
    engine: Engine, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrations.upgrade(empty_database_url, "0001_exec_tracker")
    migrations.upgrade(engine.url, "0002_exec_tracker_claim")
    monkeypatch.setenv("DATABASE_URL", empty_database_url.replace("postgresql://", "postgres://"))
    migrations.upgrade()
    assert migrations.check() == []


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_both_synchronous_drivers_will_do(engine: Engine, driver: str) -> None:
    other = create_engine(engine.url.set(drivername=f"postgresql+{driver}"))
    migrations.upgrade(other, schema="app")
    assert migrations.check(other, schema="app") == []
    migrations.downgrade(other, schema="app")
    other.dispose()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_an_asynchronous_connection_lends_itself(engine: Engine, driver: str) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    asynchronous = create_async_engine(engine.url.set(drivername=f"postgresql+{driver}"))
    async with asynchronous.begin() as connection:
        await connection.run_sync(migrations.upgrade)
        assert await connection.run_sync(migrations.check) == []
    await asynchronous.dispose()
    assert migrations.check(engine) == []


def test_an_asynchronous_driver_alone_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="asyncpg"):
        migrations.upgrade("postgresql+asyncpg://localhost/nothing")

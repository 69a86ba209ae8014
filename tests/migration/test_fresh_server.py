"""A server on which the API roles do not exist yet."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, create_engine, text

from exec_tracker import migrations
from exec_tracker.embedded import EmbeddedPostgres
from exec_tracker.errors import ConfigurationError
from exec_tracker.settings import normalise_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

PLATFORM = """
CREATE SCHEMA auth;
CREATE TABLE auth.users (id uuid PRIMARY KEY);
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS 'SELECT NULL::uuid';
CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE AS 'SELECT NULL::text';
"""


@pytest.fixture
def fresh() -> Iterator[Engine]:
    """The administrator's connections to a server of this test's own."""
    with EmbeddedPostgres() as server:
        engine = create_engine(normalise_url(server.url), isolation_level="AUTOCOMMIT")
        yield engine
        engine.dispose()


def roles(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(
            connection.scalars(
                text(
                    "SELECT rolname FROM pg_roles "
                    "WHERE rolname IN ('anon', 'authenticated', 'service_role')"
                )
            )
        )


def test_the_roles_are_made_cannot_log_in_and_stay(fresh: Engine) -> None:
    migrations.upgrade(fresh.url)
    assert roles(fresh) == {"anon", "authenticated", "service_role"}
    with fresh.connect() as connection:
        assert not connection.scalar(
            text("SELECT bool_or(rolcanlogin) FROM pg_roles WHERE rolname = 'service_role'")
        )
    migrations.downgrade(fresh.url)
    assert len(roles(fresh)) == 3


def test_databases_of_one_server_may_make_them_at_the_same_time(fresh: Engine) -> None:
    names = [f"tenant_{number}" for number in range(4)]
    with fresh.connect() as connection:
        for name in names:
            connection.execute(text(f"CREATE DATABASE {name}"))
    urls = [fresh.url.set(database=name) for name in names]
    with ThreadPoolExecutor(len(urls)) as pool:
        list(pool.map(migrations.upgrade, urls))
    assert [migrations.check(url) for url in urls] == [[]] * len(urls)


def test_the_roles_alone_are_made_beside_a_schema_auth_that_is_not_ours(fresh: Engine) -> None:
    with fresh.connect() as connection:
        connection.exec_driver_sql(PLATFORM)
    migrations.upgrade(fresh.url)
    assert len(roles(fresh)) == 3
    assert migrations.check(fresh.url) == []


def test_supabase_has_its_roles_or_is_none(fresh: Engine) -> None:
    with fresh.connect() as connection:
        connection.exec_driver_sql(PLATFORM)
    with pytest.raises(ConfigurationError, match="no role anon"):
        migrations.upgrade(fresh.url, identity="supabase")


def test_an_owner_who_may_not_create_roles_is_given_the_script_for_an_administrator(
    fresh: Engine, psql: Callable[..., str]
) -> None:
    with fresh.connect() as connection:
        connection.execute(text("CREATE ROLE owner LOGIN PASSWORD 'owner'"))
        connection.execute(text("CREATE DATABASE owned OWNER owner"))
    url = fresh.url.set(database="owned", username="owner", password="owner")
    with pytest.raises(ConfigurationError, match="administrator") as error:
        migrations.upgrade(url)
    assert roles(fresh) == set()
    _, _, script = str(error.value).partition("\n")
    psql(fresh.url.set(database="owned"), script)
    migrations.upgrade(url)
    assert migrations.check(url) == []

"""The identity that the schema refers to: found, made, or asked for."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from exec_tracker import migrations
from exec_tracker.errors import ConfigurationError
from exec_tracker.settings import normalise_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLATFORM = """
CREATE SCHEMA auth;
CREATE TABLE auth.users (id uuid PRIMARY KEY, email text);
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS 'SELECT NULL::uuid';
CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE AS 'SELECT NULL::text';
"""


def execute(engine: Engine, statements: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statements)


def auth_objects(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(
            connection.scalars(
                text(
                    "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('auth') "
                    "UNION ALL SELECT proname FROM pg_proc "
                    "WHERE pronamespace = to_regnamespace('auth') ORDER BY 1"
                )
            )
        )


def test_plain_postgresql_gets_a_stand_in_and_is_told(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="exec_tracker"):
        migrations.upgrade(engine)
    assert "made the schema auth" in caplog.text
    assert auth_objects(engine) == ["jwt", "role", "uid", "users", "users_pkey"]


def test_a_schema_auth_that_is_not_ours_is_used_and_never_written(
    engine: Engine, dump: Callable[..., str]
) -> None:
    execute(engine, PLATFORM)
    before = dump(engine.url, "--schema=auth")
    migrations.upgrade(engine)
    assert migrations.check(engine) == []
    assert dump(engine.url, "--schema=auth") == before
    migrations.downgrade(engine)
    assert dump(engine.url, "--schema=auth") == before


@pytest.mark.parametrize("identity", ["auto", "supabase", "standalone"])
def test_what_a_foreign_schema_auth_lacks_is_asked_for(
    engine: Engine, migrated_template: str, identity: str
) -> None:
    # The template's migration has made the roles of this server, which are asked for first.
    execute(engine, PLATFORM + "DROP FUNCTION auth.uid()")
    with pytest.raises(ConfigurationError, match=r"lacks function auth\.uid\(\)") as error:
        migrations.upgrade(engine, identity=identity)
    assert "CREATE OR REPLACE FUNCTION auth.uid()" in str(error.value)
    assert migrations.current(engine) is None


def test_supabase_is_not_made_up(engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match="identity=standalone"):
        migrations.upgrade(engine, identity="supabase")


@pytest.mark.parametrize("identity", ["", "Supabase!", "none"])
def test_an_unknown_identity_is_refused(engine: Engine, identity: str) -> None:
    with pytest.raises(ConfigurationError, match="auto, supabase, standalone"):
        migrations.upgrade(engine, identity=identity)


def test_the_environment_is_asked_where_the_call_is_silent(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXEC_TRACKER_IDENTITY", "supabase")
    with pytest.raises(ConfigurationError, match="identity=supabase"):
        migrations.upgrade(engine)
    migrations.upgrade(engine, identity="standalone")


def test_the_stand_in_stays_while_it_has_users(engine: Engine) -> None:
    migrations.upgrade(engine)
    execute(engine, "INSERT INTO auth.users VALUES (gen_random_uuid())")
    migrations.downgrade(engine)
    assert "users" in auth_objects(engine)
    migrations.upgrade(engine)
    assert migrations.check(engine) == []


def test_the_stand_in_stays_while_something_depends_on_it(engine: Engine) -> None:
    migrations.upgrade(engine)
    execute(engine, "CREATE TABLE theirs (id uuid REFERENCES auth.users)")
    migrations.downgrade(engine)
    assert auth_objects(engine) == ["jwt", "role", "uid", "users", "users_pkey"]


def test_the_stand_in_goes_when_nobody_uses_it(engine: Engine) -> None:
    migrations.upgrade(engine)
    migrations.downgrade(engine)
    assert auth_objects(engine) == []


@pytest.fixture
def visitor(engine: Engine) -> Iterator[Engine]:
    """A login role that may use the schema public and create nothing else."""
    name = f"exec_tracker_visitor_{secrets.token_hex(4)}"
    execute(
        engine,
        f"CREATE ROLE {name} LOGIN PASSWORD '{name}'; GRANT CREATE ON SCHEMA public TO {name}; "
        f"REVOKE CREATE ON DATABASE {engine.url.database} FROM PUBLIC",
    )
    url = make_url(normalise_url(engine.url)).set(username=name, password=name)
    visiting = create_engine(url)
    yield visiting
    visiting.dispose()
    execute(engine, f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def test_missing_privileges_end_in_the_script_for_an_administrator(
    engine: Engine, visitor: Engine, psql: Callable[..., str]
) -> None:
    with pytest.raises(ConfigurationError, match="administrator") as error:
        migrations.upgrade(visitor)
    assert migrations.current(visitor) is None
    _, _, script = str(error.value).partition("\n")
    psql(engine.url, script)
    migrations.upgrade(visitor)
    assert migrations.check(visitor) == []


def test_executions_may_refer_to_the_hosts_users(
    engine: Engine, other_engine: Engine, dump: Callable[..., str], psql: Callable[..., str]
) -> None:
    for one in (engine, other_engine):
        execute(one, 'CREATE SCHEMA app; CREATE TABLE app."Users" (id uuid PRIMARY KEY)')
    migrations.upgrade(engine, users_table="app.Users")
    assert migrations.check(engine) == []
    execute(
        engine,
        "INSERT INTO app.\"Users\" VALUES ('11111111-1111-1111-1111-111111111111'); "
        "INSERT INTO workflow_executions (id, workflow_id, user_id, status) "
        "VALUES ('k', 'w', '11111111-1111-1111-1111-111111111111', 'pending'); "
        'DELETE FROM app."Users"',
    )
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM workflow_executions")) == 0
    psql(other_engine.url, migrations.sql(identity="standalone", users_table="app.Users"))
    assert dump(other_engine.url) == dump(engine.url)


def test_executions_may_refer_to_no_users_at_all(engine: Engine) -> None:
    migrations.upgrade(engine, users_table="none")
    assert migrations.check(engine) == []
    execute(
        engine,
        "INSERT INTO workflow_executions (id, workflow_id, user_id, status) "
        "VALUES ('k', 'w', gen_random_uuid(), 'pending')",
    )


@pytest.mark.parametrize("name", ["", "a.b.c", 'app."x', "app users"])
def test_a_users_table_that_is_no_name_is_refused(engine: Engine, name: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no name"):
        migrations.upgrade(engine, users_table=name)

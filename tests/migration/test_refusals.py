"""What an upgrade cannot do is said in errors of ours, with what to do."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import DBAPIError

from exec_tracker import migrations
from exec_tracker.errors import (
    ConfigurationError,
    SchemaError,
    StorageError,
    TransientStorageError,
)
from exec_tracker.settings import normalise_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]

EVERYTHING: dict[str, Callable[[Any], Any]] = {
    "upgrade": migrations.upgrade,
    "downgrade": migrations.downgrade,
    "stamp": migrations.stamp,
    "current": migrations.current,
    "check": migrations.check,
}


@pytest.fixture(params=EVERYTHING)
def call(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    return EVERYTHING[request.param]


def changed(url: str, **parts: Any) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)


def test_a_login_that_is_not_let_in_is_a_storage_error_that_does_not_pass(
    call: Callable[[Any], Any], empty_database_url: str
) -> None:
    target = changed(empty_database_url, username="exec_tracker_nobody", password="secret")
    with pytest.raises(StorageError, match="refused the connection") as caught:
        call(target)
    assert not isinstance(caught.value, TransientStorageError)
    assert "secret" not in str(caught.value)


def test_a_database_that_does_not_exist_is_named(
    call: Callable[[Any], Any], empty_database_url: str
) -> None:
    engine = create_engine(normalise_url(changed(empty_database_url, database="there_is_none")))
    for target in (engine, engine.url):
        with pytest.raises(StorageError, match="there_is_none") as caught:
            call(target)
        assert caught.value.sqlstate == "3D000"
        assert isinstance(caught.value.__cause__, DBAPIError)


def test_a_server_that_does_not_answer_may_do_so_later(call: Callable[[Any], Any]) -> None:
    with pytest.raises(TransientStorageError, match="cannot be reached"):
        call("postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.parametrize("verb", [migrations.upgrade, migrations.stamp, migrations.downgrade])
def test_a_revision_that_does_not_exist_is_named(engine: Engine, verb: Callable[..., None]) -> None:
    with pytest.raises(ConfigurationError, match="9999_nonsense"):
        verb(engine, "9999_nonsense")
    with engine.connect() as connection, pytest.raises(ConfigurationError, match="9999_nonsense"):
        verb(connection, "9999_nonsense")


def test_a_script_for_a_revision_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="9999_nonsense"):
        migrations.sql("9999_nonsense")


@pytest.fixture
def stranger(engine: Engine) -> Iterator[Engine]:
    """Log in as a role that may create nothing."""
    name = f"exec_tracker_stranger_{secrets.token_hex(4)}"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
        connection.exec_driver_sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    stranger = create_engine(engine.url.set(username=name, password=name))
    yield stranger
    stranger.dispose()
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP ROLE {name}")


def test_a_role_that_may_not_migrate_is_told_what_it_lacks(stranger: Engine) -> None:
    with pytest.raises(StorageError, match="Migrate as the owner") as caught:
        migrations.upgrade(stranger)
    assert caught.value.sqlstate == "42501"


def test_a_users_table_that_does_not_exist_is_named(engine: Engine) -> None:
    with pytest.raises(SchemaError, match="no_such_table"):
        migrations.upgrade(engine, users_table="public.no_such_table")


def test_alembics_own_command_line_says_it_in_a_sentence(empty_database_url: str) -> None:
    target = changed(empty_database_url, database="there_is_none")
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=ROOT,
        env={**os.environ, "EXEC_TRACKER_DATABASE_URL": target},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "refused the connection" in done.stderr
    assert "Traceback" not in done.stderr

"""A script that people review first makes what an upgrade makes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, text

from exec_tracker import migrations

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]


def version(engine: Engine) -> str:
    with engine.connect() as connection:
        found = connection.scalar(text(f"SELECT version_num FROM {migrations.VERSION_TABLE}"))
    return str(found)


@pytest.mark.parametrize("concurrently", [False, True])
def test_a_script_makes_what_an_upgrade_makes(
    engine: Engine,
    other_engine: Engine,
    psql: Callable[..., str],
    dump: Callable[..., str],
    concurrently: bool,
) -> None:
    psql(engine.url, migrations.sql(identity="standalone", concurrently=concurrently))
    migrations.upgrade(other_engine)
    assert dump(engine.url) == dump(other_engine.url)
    assert version(engine) == version(other_engine)
    assert migrations.check(engine) == []


def test_a_script_runs_as_one_string_as_an_editor_sends_it(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        cursor = connection.connection.cursor()
        cursor.execute(migrations.sql(identity="standalone"))
    assert migrations.check(engine) == []


def test_a_script_goes_on_from_an_adopted_schema(engine: Engine, psql: Callable[..., str]) -> None:
    migrations.upgrade(engine, "0001_exec_tracker")
    psql(engine.url, migrations.sql("0001_exec_tracker:head"))
    assert migrations.check(engine) == []


def test_a_script_is_the_same_every_time_and_from_the_command_line() -> None:
    command = [sys.executable, "-m", "alembic", "upgrade", "head", "--sql"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout == migrations.sql() == migrations.sql()


def test_a_script_assumes_supabase_and_never_writes_into_its_schema() -> None:
    script = migrations.sql()
    assert "SCHEMA auth" not in script
    assert "CREATE ROLE" not in script
    assert "CREATE TABLE auth" not in script


def test_a_script_doubles_no_percent_sign(engine: Engine, psql: Callable[..., str]) -> None:
    script = migrations.sql(identity="standalone")
    assert "%%" not in script
    assert "'CREATE ROLE %I NOLOGIN NOINHERIT'" in script


def test_a_script_takes_the_schema_down_again(
    engine: Engine, psql: Callable[..., str], dump: Callable[..., str]
) -> None:
    before = dump(engine.url)
    migrations.upgrade(engine)
    command = [sys.executable, "-m", "alembic", "downgrade", "head:base", "--sql"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    psql(engine.url, done.stdout)
    assert dump(engine.url) == before

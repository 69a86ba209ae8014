"""Up, down and up again; and the schema built two ways is the same schema."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, inspect

from exec_tracker import migrations
from exec_tracker.models import Base

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]


def alembic(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "alembic", *arguments]
    environment = {**os.environ, "EXEC_TRACKER_DATABASE_URL": url, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )


def test_the_command_line_upgrades_downgrades_and_upgrades_again(
    empty_database_url: str, engine: Engine
) -> None:
    for arguments in (("upgrade", "head"), ("downgrade", "base"), ("upgrade", "head")):
        done = alembic(empty_database_url, *arguments)
        assert done.returncode == 0, done.stderr
        tables = set(inspect(engine).get_table_names())
        assert tables.issuperset(Base.metadata.tables) == (arguments[0] == "upgrade")


def test_upgrading_again_leaves_the_very_same_schema(
    engine: Engine, dump: Callable[..., str]
) -> None:
    migrations.upgrade(engine)
    first = dump(engine.url)
    migrations.downgrade(engine)
    migrations.upgrade(engine)
    assert dump(engine.url) == first


def test_a_downgrade_to_the_base_leaves_nothing_behind(
    engine: Engine, dump: Callable[..., str]
) -> None:
    before = dump(engine.url)
    migrations.upgrade(engine)
    migrations.downgrade(engine)
    assert dump(engine.url) == before


def test_every_revision_goes_down_by_itself_but_never_takes_back_a_grant(
    engine: Engine, dump: Callable[..., str]
) -> None:
    migrations.upgrade(engine, "0001_exec_tracker")
    dumps = {migrations.current(engine): dump(engine.url, "--no-privileges")}
    while migrations.current(engine) != _head(engine):
        migrations.upgrade(engine, "+1")
        dumps[migrations.current(engine)] = dump(engine.url, "--no-privileges")
    for revision in reversed(list(dumps)):
        assert migrations.current(engine) == revision
        assert dump(engine.url, "--no-privileges") == dumps[revision]
        migrations.downgrade(engine, "-1")


def _head(engine: Engine) -> str | None:
    names = sorted(path.stem for path in (migrations.script_location() / "versions").glob("0*.py"))
    return names[-1]


def test_create_all_builds_what_the_revisions_build(
    engine: Engine, other_engine: Engine, dump: Callable[..., str]
) -> None:
    migrations.upgrade(engine)
    migrations.upgrade(other_engine)
    Base.metadata.drop_all(other_engine)
    Base.metadata.create_all(other_engine)
    assert dump(other_engine.url) == dump(engine.url)


def test_create_all_on_a_migrated_database_changes_nothing(
    engine: Engine, dump: Callable[..., str]
) -> None:
    migrations.upgrade(engine)
    before = dump(engine.url)
    Base.metadata.create_all(engine)
    assert dump(engine.url) == before


def test_alembic_check_finds_nothing_to_do(empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url)
    done = alembic(empty_database_url, "check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_current_revision_is_none_before_and_head_after(engine: Engine) -> None:
    assert migrations.current(engine) is None
    migrations.upgrade(engine)
    assert migrations.current(engine) == _head(engine)


@pytest.mark.parametrize("command", ["upgrade head", "current"])
def test_errors_on_the_command_line_are_sentences(command: str) -> None:
    done = alembic("mysql://localhost/nothing", *command.split())
    assert done.returncode != 0
    assert "PostgreSQL only" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_executions_survive_a_downgrade_to_the_specified_schema_and_back(engine: Engine) -> None:
    migrations.upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO auth.users VALUES ('11111111-1111-1111-1111-111111111111'); "
            "INSERT INTO workflow_executions (id, workflow_id, user_id, status, attempt) "
            "VALUES ('k', 'w', '11111111-1111-1111-1111-111111111111', 'failed', 3); "
            "INSERT INTO workflow_execution_attempts (execution_id, attempt, user_id, outcome) "
            "VALUES ('k', 3, '11111111-1111-1111-1111-111111111111', 'failed')"
        )
    migrations.downgrade(engine, "0001_exec_tracker")
    migrations.upgrade(engine)
    with engine.connect() as connection:
        row = connection.exec_driver_sql("SELECT id, status, attempt FROM workflow_executions")
        assert [tuple(found) for found in row] == [("k", "failed", 0)]
    assert migrations.check(engine) == []


@pytest.mark.parametrize(
    "options", [("-x", "schema=app"), ("-x", "users_table=none"), ("-x", "concurrently=no")]
)
def test_the_command_line_takes_options(empty_database_url: str, options: tuple[str, ...]) -> None:
    for command in (("upgrade", "head"), ("check",), ("downgrade", "base")):
        done = alembic(empty_database_url, *options, *command)
        assert done.returncode == 0, done.stdout + done.stderr

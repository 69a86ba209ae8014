"""Our revisions beside the host's own, under Alembic's own command line."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from alembic.config import CommandLine, Config
from sqlalchemy import Engine, inspect

from exec_tracker import migrations
from exec_tracker.models import Base
from tests.support.alembic_host import alembic_host

if TYPE_CHECKING:
    from pathlib import Path

Alembic = Callable[..., str]

HEAD = "0007_exec_tracker_functions"


@pytest.fixture
def alembic(
    tmp_path: Path,
    empty_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Alembic:
    """Do in the host's project what the command `alembic` does, and return what it says."""
    monkeypatch.setenv("HOST_DATABASE_URL", empty_database_url)
    settings = alembic_host(tmp_path, str(migrations.script_location() / "versions"))

    command = CommandLine()

    def run(*arguments: str) -> str:
        options = command.parser.parse_args(["-c", str(settings), *arguments])
        said = io.StringIO()
        command.run_cmd(Config(settings, cmd_opts=options, stdout=said), options)
        return said.getvalue()

    return run


def test_the_host_has_two_heads_and_upgrades_both(alembic: Alembic, engine: Engine) -> None:
    assert alembic("heads").splitlines() == [
        "0001_orders (orders) (head)",
        f"{HEAD} (effective head)",
    ]
    with pytest.raises(SystemExit):
        alembic("upgrade", "head")
    assert inspect(engine).get_table_names() == []
    alembic("upgrade", "heads")
    assert set(inspect(engine).get_table_names()) == {
        "alembic_version",
        "orders",
        *Base.metadata.tables,
    }
    assert alembic("current").count("head)") == 2
    assert migrations.check(engine) == []
    alembic("upgrade", "heads")


def test_one_branch_brings_along_what_it_depends_on(alembic: Alembic, engine: Engine) -> None:
    alembic("upgrade", "orders@head")
    assert migrations.check(engine) == []
    assert "orders" in inspect(engine).get_table_names()


def test_the_hosts_check_finds_nothing_of_ours_and_all_of_its_own(
    alembic: Alembic, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    alembic("upgrade", HEAD)
    with pytest.raises(SystemExit):
        alembic("check")
    assert "not up to date" in capsys.readouterr().out
    alembic("upgrade", "heads")
    assert "No new upgrade operations detected" in alembic("check")
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE orders ADD COLUMN note TEXT")
    with pytest.raises(SystemExit):
        alembic("check")
    said = capsys.readouterr().out
    assert "note" in said
    assert "workflow_execution" not in said


def test_the_hosts_next_revision_names_its_branch(
    alembic: Alembic, engine: Engine, tmp_path: Path
) -> None:
    alembic("upgrade", "heads")
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE orders ADD COLUMN note TEXT")
    alembic("revision", "--autogenerate", "-m", "note", "--head", "orders@head")
    (made,) = (tmp_path / "migrations" / "versions").glob("*_note.py")
    assert "workflow_execution" not in made.read_text()
    assert "drop_column('orders', 'note')" in made.read_text()
    alembic("upgrade", "heads")
    assert "No new upgrade operations detected" in alembic("check")


def test_ours_alone_go_back_and_the_hosts_with_them_where_it_depends_on_them(
    alembic: Alembic, engine: Engine
) -> None:
    alembic("upgrade", "heads")
    alembic("downgrade", "orders@base")
    assert set(inspect(engine).get_table_names()) == {"alembic_version", *Base.metadata.tables}
    assert migrations.check(engine) == []
    alembic("downgrade", "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]

"""Linters that others wrote find nothing in the script that is not explained beside the line.

They come with the dependency group `sql-linters`; without it these tests are skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exec_tracker import migrations

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPTS: dict[str, Callable[[], str]] = {
    "new": migrations.sql,
    "adopted": lambda: migrations.sql("0001_exec_tracker:head"),
    "standalone": lambda: migrations.sql(identity="standalone"),
    "concurrent": lambda: migrations.sql("0001_exec_tracker:head", concurrently=True),
    "schema": lambda: migrations.sql(schema="app", users_table="app.users"),
}


def program(name: str) -> str:
    found = shutil.which(name, path=Path(sys.executable).parent) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture(params=SCRIPTS)
def script(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.sql"
    path.write_text(SCRIPTS[request.param]())
    return path


def test_squawk_finds_nothing(script: Path) -> None:
    done = subprocess.run(
        [program("squawk"), str(script)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_sqlfluff_parses_everything(script: Path) -> None:
    command = [program("sqlfluff"), "parse", "--dialect", "postgres", str(script)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "unparsable" not in done.stdout

"""What is published holds what users need, and nothing of ours."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.packaging.conftest import ROOT

if TYPE_CHECKING:
    from tests.packaging.conftest import Distributions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("packaging")]


def in_wheel(distributions: Distributions) -> set[str]:
    with zipfile.ZipFile(distributions.wheel) as wheel:
        return set(wheel.namelist())


def test_the_wheel_carries_every_revision_and_their_environment(
    distributions: Distributions,
) -> None:
    revisions = {path.name for path in (ROOT / "alembic" / "versions").glob("*.py")}
    assert revisions
    carried = in_wheel(distributions)
    assert {f"exec_tracker/_alembic/versions/{name}" for name in revisions} <= carried
    assert {"exec_tracker/_alembic/env.py", "exec_tracker/_alembic/script.py.mako"} <= carried


def test_the_wheel_says_that_it_is_typed_and_carries_its_licence(
    distributions: Distributions,
) -> None:
    carried = in_wheel(distributions)
    assert "exec_tracker/py.typed" in carried
    assert any(name.endswith("licenses/LICENSE") for name in carried)


def test_the_wheel_carries_every_module_and_nothing_beside_the_package(
    distributions: Distributions,
) -> None:
    carried = in_wheel(distributions)
    modules = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "exec_tracker").rglob("*")
        if path.suffix in {".py", ".jsonl", ".typed"}
    }
    assert modules <= carried
    assert {name.split("/")[0].split("-")[0] for name in carried} == {"exec_tracker"}
    assert not any("__pycache__" in name for name in carried)


def test_the_sdist_carries_what_is_tracked_and_no_more(distributions: Distributions) -> None:
    with tarfile.open(distributions.sdist) as sdist:
        names = {Path(*Path(name).parts[1:]).as_posix() for name in sdist.getnames()}
    tracked = subprocess.run(
        ["git", "ls-files", "exec_tracker", "alembic", "pyproject.toml", "README.md", "LICENSE"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert set(tracked) <= names
    assert not any(name.startswith((".venv", ".git/")) for name in names)

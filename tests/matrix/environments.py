"""Virtual environments with a chosen Python and SQLAlchemy, made once and kept."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.matrix.cells import versions_at_hand
from tests.matrix.places import CACHE, ROOT, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.matrix.cells import Cell

_STAMP: Final = ".installed"
_VERSIONS: Final = """
import importlib.metadata, json, platform
from exec_tracker.embedded import find_binaries
print(json.dumps([platform.python_version(), importlib.metadata.version("sqlalchemy"),
                  str(find_binaries())]))
"""


def environment_python(cell: Cell) -> Path:
    """Return the interpreter of an environment with the project and what its tests need.

    Raises:
        UnavailableError: there is no such interpreter here, or the installation failed.
    """
    if cell.python is None and cell.sqlalchemy is None:
        return Path(sys.executable)
    python, wanted = cell.python or versions_at_hand()[0], cell.sqlalchemy or "newest"
    home = CACHE / "environments" / f"py{python}-sqlalchemy-{wanted}"
    if not _is_current(home):
        _make(home, _interpreter(python), cell.sqlalchemy)
    return home / "bin" / "python"


def versions_in(python: Path) -> tuple[str, str, Path]:
    """Return an environment's versions of Python and SQLAlchemy, and the server it comes with."""
    said = subprocess.run(
        [python, "-c", _VERSIONS], check=True, capture_output=True, text=True, cwd=ROOT
    )
    interpreter, sqlalchemy, binaries = json.loads(said.stdout)
    return interpreter, sqlalchemy, Path(binaries)


def _is_current(home: Path) -> bool:
    """Tell whether nothing can have changed since the installation."""
    stamp = home / _STAMP
    return stamp.exists() and stamp.stat().st_mtime > (ROOT / "pyproject.toml").stat().st_mtime


def _interpreter(version: str) -> Path:
    for candidate in _candidates(version):
        if _answers(candidate, version):
            return candidate
    raise UnavailableError(f"no Python {version} on PATH or under pyenv")


def _candidates(version: str) -> Iterator[Path]:
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True)


def _answers(python: Path, version: str) -> bool:
    """Tell whether it is what its name says: a shim may stand for nothing."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], check=False, capture_output=True, text=True)
    return done.returncode == 0 and done.stdout.strip() == version


def _make(home: Path, python: Path, sqlalchemy: str | None) -> None:
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    install = [*pip, "install", "--root-user-action=ignore"]
    pinned = [f"sqlalchemy=={sqlalchemy}.*"] if sqlalchemy else []
    for command in (
        [str(python), "-m", "venv", str(home)],
        [*install, "--upgrade", "pip"],
        [*install, "--editable", str(ROOT), "--group", "test", *pinned],
    ):
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
        if done.returncode:
            raise UnavailableError(f"{' '.join(command[1:4])} failed: {done.stderr.strip()[-500:]}")
    (home / _STAMP).touch()

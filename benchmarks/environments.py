"""A virtual environment for each peer, made once, so that no peer's dependencies meet ours."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmarks.contenders import Entry

_FOLDER: Final = Path(__file__).parent.parent / "build" / "benchmarks"


class NotInstallableError(Exception):
    """A peer cannot be installed here."""


def python_for(entry: Entry) -> Path:
    """Return the interpreter that has what the contender needs, after installing it if need be."""
    if not entry.is_peer:
        return Path(sys.executable)
    digest = hashlib.sha256("\n".join(entry.requirements).encode()).hexdigest()[:8]
    folder = _FOLDER / f"{entry.requirements[0].partition('[')[0].partition('=')[0]}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        _install(python, entry)
        (folder / "installed").touch()
    return python


def _install(python: Path, entry: Entry) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", *entry.requirements]
    done = subprocess.run(  # noqa: S603 # pinned names of this package
        command, check=False, capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        raise NotInstallableError(f"pip cannot install {' '.join(entry.requirements)}")

"""Run the suite, or a slice of it, in one cell, and say what came of it."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from tests.matrix.environments import environment_python, versions_in
from tests.matrix.places import CACHE, ROOT, UnavailableError
from tests.matrix.servers import server_binaries, version_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.matrix.cells import Cell

SUITE: Final = tuple(
    f"tests/{folder}"
    for folder in ("unit", "integration", "migration", "security", "transactional", "doors")
)
SLICE: Final = (
    "tests/integration/test_running.py",
    "tests/integration/test_abandonment.py",
    "tests/migration/test_round_trip.py",
    "tests/security/test_guard.py",
    "tests/security/test_row_security.py",
    "tests/transactional/test_own_session.py",
)
"""What meets the most SQL in the least time: claims, revisions, policies, the trigger."""

_NOT_INHERITED: Final = ("EXEC_TRACKER_TEST_DATABASE_URL", "DATABASE_URL", "PYTEST_ADDOPTS")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one cell; without versions, nothing was run."""

    cell: Cell
    state: str
    versions: tuple[str, str, str] | None = None
    counts: dict[str, int] | None = None
    seconds: float = 0.0

    @property
    def has_failed(self) -> bool:
        """Whether tests ran and did not all pass."""
        return self.state == "FAILED"


def run_cell(cell: Cell, tests: Sequence[str], arguments: Sequence[str]) -> Outcome:
    """Make what the cell needs, and run the tests on it; pytest's output is passed through."""
    try:
        python = environment_python(cell)
        interpreter, sqlalchemy, binaries = versions_in(python)
        if cell.server is not None:
            binaries = server_binaries(cell.server)
    except UnavailableError as problem:
        return Outcome(cell, f"not run: {problem}")
    versions = (version_of(binaries), interpreter, sqlalchemy)
    report = CACHE / "reports" / f"{cell.name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    began = time.monotonic()
    code = _pytest(python, binaries, [*tests, f"--junitxml={report}", *arguments])
    state = "FAILED" if code else "passed"
    return Outcome(cell, state, versions, _counts(report), time.monotonic() - began)


def _pytest(python: Path, binaries: Path, arguments: Sequence[str]) -> int:
    environment = {name: v for name, v in os.environ.items() if name not in _NOT_INHERITED}
    environment |= {
        "EXEC_TRACKER_EMBEDDED_BINARIES": str(binaries),
        "EXEC_TRACKER_TEST_SERVER": "embedded",
        # Programs that tests start by name are those of this environment.
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    command = [str(python), "-m", "pytest", "-q", "-m", "not slow", "-n", "auto", *arguments]
    return subprocess.run(command, check=False, cwd=ROOT, env=environment).returncode


def _counts(report: Path) -> dict[str, int] | None:
    if not report.exists():
        return None
    suite = ET.parse(report).getroot().find("testsuite")  # noqa: S314 # pytest's own
    assert suite is not None
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    failed = counts["failures"] + counts["errors"]
    return {
        "passed": counts["tests"] - failed - counts["skipped"],
        "failed": failed,
        "skipped": counts["skipped"],
    }

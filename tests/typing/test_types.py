"""What users' type checkers are told: right types for right calls, errors for mistakes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parent / "samples"
ROOT = Path(__file__).parents[2]

PREAMBLE = """\
from __future__ import annotations
from sqlalchemy.orm import Session
from exec_tracker import AsyncExecutionTracker, ExecuteOptions, ExecutionTracker
def plain() -> int: ...
def write(session: Session) -> str: ...
async def coroutine() -> int: ...
async def all_of_it(
    tracker: ExecutionTracker, aio: AsyncExecutionTracker, options: ExecuteOptions
) -> None:
    @tracker.idempotent(key="{order}", workflow_id="w", user_id="u")
    def pay(order: str) -> str: ...
    @aio.idempotent(key="{order}", workflow_id="w", user_id="u")
    async def apay(order: str) -> str: ...
"""


def check(path: Path) -> subprocess.CompletedProcess[str]:
    """Run mypy in strict mode over one file, as a user's project would."""
    command = [
        sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary",
        "--disable-error-code=empty-body", str(path),
    ]  # fmt: skip
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, cwd=ROOT, check=False
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_right_calls_have_the_types_that_users_expect() -> None:
    done = check(SAMPLES / "accepted.py")
    assert done.stdout == ""
    assert done.returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mistakes_are_errors(tmp_path: Path) -> None:
    lines = [
        line.split("|", 1)
        for line in (SAMPLES / "refused.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    sample = tmp_path / "refused.py"
    sample.write_text(PREAMBLE + "".join(f"    {call.strip()}\n" for _, call in lines))
    found = re.findall(r"refused\.py:(\d+): error: .*\[([\w-]+)\]", check(sample).stdout)
    first = PREAMBLE.count("\n") + 1
    expected = {(first + number, code.strip()) for number, (code, _) in enumerate(lines)}
    assert {(int(line), code) for line, code in found} == expected

"""The example shows one trace per call, linked, and the gauge that an alert would look at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "traced.py"


def test_the_example_prints_its_traces_and_counts(database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), database_url], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "  POST /charges: -",
        "exec_tracker.execute charge: claimed, abandoned",
        "exec_tracker.abandoned {'now': 1}",
        "  POST /charges: -",
        "exec_tracker.execute charge: taken_over, completed -> links to 1",
        "exec_tracker.execute charge: replayed -> links to 1",
        "exec_tracker.executions {'abandoned': 1, 'completed': 1, 'replayed': 1}",
    ]

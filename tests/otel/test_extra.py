"""The extra: named where it is missing, and never needed by the rest."""

from __future__ import annotations

import subprocess
import sys

import pytest

HIDE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in which OpenTelemetry is not installed."""
    return subprocess.run(
        [sys.executable, "-c", HIDE + program], capture_output=True, text=True, check=False
    )


def test_without_opentelemetry_the_error_names_the_extra() -> None:
    done = run("import exec_tracker.integrations.otel")
    assert done.returncode == 1
    assert "ConfigurationError" in done.stderr
    assert "pip install 'exec_tracker[otel]'" in done.stderr


@pytest.mark.parametrize("module", ["exec_tracker", "exec_tracker.integrations.log_records"])
def test_nothing_else_needs_it(module: str) -> None:
    done = run(f"import {module}")
    assert done.returncode == 0, done.stderr

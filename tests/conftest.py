"""Our tests use the plugin that hosts use."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from proof.seeds import seed_as_setting
from tests.support.strays import end_stray_heartbeats

pytest_plugins = ["exec_tracker.testing", "tests.support.fixtures"]

# How fast examples come says how busy the machine is, and nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_report_header() -> str:
    """Say what the tests of the proof decide by chance from; the same seed repeats a run."""
    return f"proof: {seed_as_setting()}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """Let nothing of a test go on after it, while its database is there."""
    end_stray_heartbeats()

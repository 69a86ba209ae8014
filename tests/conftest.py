"""Our tests use the plugin that hosts use."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from proof.seeds import seed_as_setting

pytest_plugins = ["exec_tracker.testing", "tests.support.fixtures"]

# How fast examples come says how busy the machine is, and nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_report_header() -> str:
    """Say what the tests of the proof decide by chance from; the same seed repeats a run."""
    return f"proof: {seed_as_setting()}"

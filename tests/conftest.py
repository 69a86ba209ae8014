"""Our tests use the plugin that hosts use."""

from __future__ import annotations

pytest_plugins = ["exec_tracker.testing", "tests.support.fixtures"]

"""A pytest plugin: throwaway databases, users and trackers for tests of code that uses us.

Switch it on in the root `conftest.py`:

    pytest_plugins = ["exec_tracker.testing"]

Tests run on the server that `EXEC_TRACKER_TEST_DATABASE_URL` names, else on one in a container
(testcontainers), else on the embedded one; pytest's header says which.
"""

from __future__ import annotations

import importlib.util

from exec_tracker.testing.clock import DatabaseClock
from exec_tracker.testing.databases import Choice, Server, choose, provision
from exec_tracker.testing.effects import Effects, ExecutedOnce
from exec_tracker.testing.roles import AsRole, AsUser
from exec_tracker.testing.throwaway import ThrowawayDatabases

# The conformance suite below this package also runs in production, where pytest is not installed.
if importlib.util.find_spec("pytest") is not None:
    from exec_tracker.testing.asynchronous import async_tracker
    from exec_tracker.testing.fixtures import (
        as_anon,
        as_service,
        as_user,
        crashable_postgres,
        database_clock,
        database_url,
        effects,
        empty_database_url,
        executed_once,
        migrated_template,
        other_user_id,
        postgres_server,
        throwaway_databases,
        tracker,
        user_id,
    )
    from exec_tracker.testing.plugin import (
        pytest_configure_node,
        pytest_report_header,
        pytest_terminal_summary,
        pytest_unconfigure,
    )

__all__ = [
    "AsRole",
    "AsUser",
    "Choice",
    "DatabaseClock",
    "Effects",
    "ExecutedOnce",
    "Server",
    "ThrowawayDatabases",
    "as_anon",
    "as_service",
    "as_user",
    "async_tracker",
    "choose",
    "crashable_postgres",
    "database_clock",
    "database_url",
    "effects",
    "empty_database_url",
    "executed_once",
    "migrated_template",
    "other_user_id",
    "postgres_server",
    "provision",
    "pytest_configure_node",
    "pytest_report_header",
    "pytest_terminal_summary",
    "pytest_unconfigure",
    "throwaway_databases",
    "tracker",
    "user_id",
]

"""Supabase's own linter, where its file is at hand; it is not ours to carry."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import Engine, create_engine, text

from exec_tracker import migrations
from exec_tracker.settings import normalise_url
from tests.security.test_linter import CURRENT, LEGACY

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARIABLE: Final = "EXEC_TRACKER_TEST_SPLINTER"

pytestmark = pytest.mark.skipif(
    _VARIABLE not in os.environ, reason=f"{_VARIABLE} names no file with Supabase's linter"
)


@pytest.fixture(params=[LEGACY, CURRENT], ids=["legacy", "current"])
def project(request: pytest.FixtureRequest, empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(normalise_url(empty_database_url))
    # The roles are the cluster's; any revision makes them.
    migrations.upgrade(engine, "0001_exec_tracker")
    migrations.downgrade(engine)
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {migrations.VERSION_TABLE}"))
        connection.exec_driver_sql(request.param or "SELECT")
    yield engine
    engine.dispose()


def findings(engine: Engine) -> set[tuple[str, str]]:
    """Run the file as it is, in one transaction; its last statement is the query."""
    connection = engine.raw_connection()
    try:
        cursor: Any = connection.cursor()
        cursor.execute(Path(os.environ[_VARIABLE]).read_text(encoding="utf-8"))
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    finally:
        connection.close()
    return {(row["level"], row["name"]) for row in rows}


def test_supabases_linter_has_no_error_and_no_warning(project: Engine) -> None:
    migrations.upgrade(project)
    # Nothing has been read yet; and the version table is nobody's but its owner's.
    assert findings(project) <= {("INFO", "unused_index"), ("INFO", "rls_enabled_no_policy")}


def test_supabases_linter_had_errors_and_warnings_on_the_specified_schema(project: Engine) -> None:
    migrations.upgrade(project, "0002_exec_tracker_claim")
    assert {level for level, _ in findings(project)} >= {"WARN"}

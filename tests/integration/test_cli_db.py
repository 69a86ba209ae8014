"""`exec-tracker db`: the schema from an empty database and back."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, make_url, text

from exec_tracker.settings import normalise_url
from tests.integration.cli_support import CommandLine


@pytest.fixture
def line(empty_database_url: str) -> CommandLine:
    return CommandLine(empty_database_url)


def test_upgrade_makes_the_schema_and_says_what_it_did(line: CommandLine) -> None:
    assert line("db", "current").status == 1
    first = line("db", "upgrade")
    assert first.status == 0
    assert "Running upgrade  -> 0001_exec_tracker" in first.err
    assert "Identity: made the schema auth" in first.err
    again = line("db", "upgrade")
    assert again.status == 0
    assert "already" in again.err
    assert "Running" not in again.err


def test_current_prints_the_revision(line: CommandLine) -> None:
    assert line("db", "current", "--json").json == {"revision": None}
    line("db", "upgrade", "0001")
    assert line("db", "current").text == "0001_exec_tracker\n"
    assert line("db", "current", "--json").json == {"revision": "0001_exec_tracker"}


def test_downgrade_asks_first_and_takes_everything_away(line: CommandLine) -> None:
    line("db", "upgrade")
    refused = line("db", "downgrade", "base")
    assert refused.status == 2
    assert "repeat with --yes" in refused.err
    assert line("db", "current").status == 0
    assert line("db", "downgrade", "base", "--yes").status == 0
    assert line("db", "current").status == 1
    assert line("db", "upgrade").status == 0


def test_check_sees_what_was_changed_by_hand(line: CommandLine, empty_database_url: str) -> None:
    line("db", "upgrade")
    assert line("db", "check").status == 0
    assert line("db", "check", "--json").json == {"differences": []}
    engine = create_engine(normalise_url(empty_database_url))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE workflow_executions DISABLE ROW LEVEL SECURITY"))
    engine.dispose()
    answer = line("db", "check")
    assert answer.status == 1
    assert "row security workflow_executions" in answer.text
    [difference] = line("db", "check", "--json").json["differences"]
    assert (difference["kind"], difference["found"]) == ("row security", "disabled")


def test_check_of_an_empty_database_finds_everything_missing(line: CommandLine) -> None:
    assert line("db", "check").status == 1


def test_a_revision_that_does_not_exist_is_named(line: CommandLine) -> None:
    answer = line("db", "upgrade", "nonsense")
    assert answer.status == 65
    assert "nonsense" in answer.err
    assert answer.err.count("\n") == 1


def test_a_wrong_password_is_said_so_in_one_sentence(empty_database_url: str) -> None:
    url = make_url(empty_database_url).set(username="exec_tracker_nobody", password="hidden")
    line = CommandLine(url.render_as_string(hide_password=False))
    for command in (("upgrade",), ("current",), ("check",), ("stamp", "head")):
        answer = line("db", *command)
        assert answer.status == 69
        assert answer.err.count("\n") == 1
        assert "refused the connection" in answer.err
        assert "hidden" not in answer.err


def test_a_script_builds_indexes_concurrently_if_told() -> None:
    line = CommandLine(None)
    assert "INDEX CONCURRENTLY" not in line("db", "sql").text
    assert "INDEX CONCURRENTLY" not in line("db", "sql", "--no-concurrently").text
    assert "INDEX CONCURRENTLY" in line("db", "sql", "--concurrently").text


def test_without_concurrent_builds_an_upgrade_waits_for_no_older_transaction(
    line: CommandLine, empty_database_url: str
) -> None:
    engine = create_engine(normalise_url(empty_database_url), isolation_level="REPEATABLE READ")
    with engine.connect() as reader:
        reader.execute(text("SELECT 1"))  # a concurrent build would wait for this snapshot
        assert line("db", "upgrade", "--no-concurrently").status == 0
    engine.dispose()
    assert line("db", "check").status == 0


def test_an_identity_that_does_not_exist_is_refused(line: CommandLine) -> None:
    answer = line("db", "upgrade", "--identity", "keycloak")
    assert answer.status == 78
    assert "auto, supabase, standalone" in answer.err


def test_without_a_users_table_anybody_may_run(line: CommandLine) -> None:
    assert line("db", "upgrade", "--users-table", "none").status == 0
    assert line("run", "--key", "k", "--workflow", "w", "echo", "hi").out == b"hi\n"
    user = "00000000-0000-4000-8000-000000000000"
    call = ("run", "--key", "k-2", "--workflow", "w", "--user", user, "echo", "hi")
    assert line(*call).out == b"hi\n"


def test_a_schema_of_ones_own_is_served_by_every_command(
    line: CommandLine, empty_database_url: str
) -> None:
    engine = create_engine(normalise_url(empty_database_url))
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS tracking"))
    engine.dispose()
    own = ("--schema", "tracking")
    assert line("db", "upgrade", *own).status == 0
    assert line("db", "current", *own).status == 0
    assert line("db", "check", *own).status == 0
    call = ("run", "--key", "k", "--workflow", "w", *own, "echo", "hi")
    assert line(*call).out == b"hi\n"
    assert line(*call).out == b"hi\n"
    assert line("show", "k", *own).status == 0
    assert line("list", *own, "--json").json[0]["id"] == "k"
    assert line("abandoned", *own, "--json").json == []
    assert line("purge", "--older-than", "0s", *own, "--json").json["purged"] == 1


def test_sql_prints_a_script_that_makes_the_schema(empty_database_url: str) -> None:
    answer = CommandLine(None)("db", "sql", "--identity", "standalone")
    assert answer.status == 0
    assert answer.err == ""
    engine = create_engine(normalise_url(empty_database_url))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(answer.text.replace("%", "%%"))
    engine.dispose()
    line = CommandLine(empty_database_url)
    assert line("db", "check").status == 0
    assert line("list").status == 0


def test_a_schema_made_by_hand_is_adopted_by_a_stamp(
    line: CommandLine, empty_database_url: str
) -> None:
    assert line("db", "upgrade", "0001").status == 0
    engine = create_engine(normalise_url(empty_database_url))
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS exec_tracker CASCADE"))
        tables = "SELECT oid::regclass::text FROM pg_class WHERE relname ~ 'alembic_version$'"
        for table in connection.scalars(text(tables)).all():
            connection.execute(text(f"DROP TABLE {table}"))
    engine.dispose()
    refused = line("db", "upgrade")
    assert refused.status == 78
    assert "`exec-tracker db stamp 0001_exec_tracker`" in refused.err
    assert line("db", "stamp", "0001").status == 0
    assert line("db", "upgrade").status == 0
    assert line("db", "check").status == 0

"""A schema that does not fit is said so, with the command that helps."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from exec_tracker import MigrationRequiredError, SchemaTooNewError, UnknownUserError, migrations
from tests.support.database import Database
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.fixtures import NewSubject
    from tests.support.subjects import Subject


def test_a_database_that_was_never_migrated_names_the_command(
    new_subject: NewSubject, empty_database_url: str
) -> None:
    subject, calls = new_subject(empty_database_url), Calls()
    with pytest.raises(MigrationRequiredError, match="exec-tracker db upgrade"):
        subject.execute(options("k", uuid4()), calls)
    with pytest.raises(MigrationRequiredError, match="exec-tracker db upgrade"):
        subject.get_execution("k")
    with pytest.raises(MigrationRequiredError, match="exec-tracker db upgrade"):
        subject.get_recent_executions(uuid4())
    assert calls.count == 0


def test_a_database_at_the_first_revision_names_the_command(
    new_subject: NewSubject, empty_database_url: str
) -> None:
    migrations.upgrade(empty_database_url, "0001_exec_tracker")
    subject, calls = new_subject(empty_database_url), Calls()
    with pytest.raises(MigrationRequiredError, match="exec-tracker db upgrade"):
        subject.execute(options("k", uuid4()), calls)
    with pytest.raises(MigrationRequiredError, match="exec-tracker db upgrade"):
        subject.find_abandoned()
    assert calls.count == 0


def test_a_database_that_is_migrated_later_works_at_the_next_call(
    new_subject: NewSubject, empty_database_url: str
) -> None:
    subject, user = new_subject(empty_database_url), uuid4()
    with pytest.raises(MigrationRequiredError):
        subject.execute(options("k", user), Calls())
    migrations.upgrade(empty_database_url)
    Database(empty_database_url).run("INSERT INTO auth.users (id) VALUES (%s)", str(user))
    assert subject.execute_idempotent(options("k", user), Calls("now")) == "now"


def test_a_column_that_goes_missing_later_is_a_schema_error(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    subject.execute(options("k", user_id), Calls())
    database.run("ALTER TABLE workflow_executions DROP COLUMN retry_at CASCADE")
    with pytest.raises(MigrationRequiredError, match="retry_at"):
        subject.execute(options("l", user_id), Calls())


def test_a_schema_that_needs_a_newer_library_is_refused(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    database.run("COMMENT ON TABLE workflow_execution_attempts IS 'Needs library protocol 99.'")
    calls = Calls()
    with pytest.raises(SchemaTooNewError, match="pip install --upgrade"):
        subject.execute(options("k", user_id), calls)
    with pytest.raises(SchemaTooNewError):
        subject.get_recent_executions(user_id)
    assert calls.count == 0


def test_a_newer_schema_that_does_not_mind_works(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    database.run("ALTER TABLE workflow_executions ADD COLUMN of_the_future TEXT")
    database.run("COMMENT ON TABLE workflow_execution_attempts IS 'Needs library protocol 1.'")
    assert subject.execute_idempotent(options("k", user_id), Calls("now")) == "now"
    assert len(subject.get_recent_executions(user_id)) == 1


def test_a_host_may_keep_its_versions_elsewhere(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    database.run(f"DROP TABLE IF EXISTS {migrations.VERSION_TABLE}")
    assert subject.execute_idempotent(options("k", user_id), Calls("now")) == "now"


def test_an_unknown_user_is_named_and_nothing_is_stored(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    calls, stranger = Calls(), uuid4()
    with pytest.raises(UnknownUserError, match="ensure_user"):
        subject.execute(options("k", stranger), calls)
    with pytest.raises(UnknownUserError):
        subject.create_execution(options("k", stranger))
    assert calls.count == 0
    subject.ensure_user(stranger)
    subject.ensure_user(stranger)
    assert subject.execute(options("k", stranger), calls).cached is False


def test_tables_in_a_schema_off_the_search_path_are_found_by_its_name(
    new_subject: NewSubject, user_id: UUID, database: Database
) -> None:
    database.run("DROP TABLE workflow_execution_attempts, workflow_executions CASCADE")
    migrations.upgrade(database.url, schema="WorkFlows")
    subject = new_subject(schema="WorkFlows")
    with pytest.raises(ValueError, match="no"):
        subject.execute(options("k", user_id), Calls(raises=ValueError("no")))
    assert subject.execute_idempotent(options("k", user_id), Calls("now")) == "now"
    assert len(subject.get_attempts("k")) == 1
    assert [one.id for one in subject.get_recent_executions(user_id)] == ["k"]
    assert subject.purge(timedelta(0)) == 1

"""Triggers of the host run under the empty search path of the functions that claim and complete."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from exec_tracker import MigrationRequiredError, StorageError
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.fixtures import NewSubject
    from tests.support.subjects import Subject

SHORT = timedelta(seconds=0.2)
AUDIT = "CREATE TABLE audit (key text, status text)"


def audit(database: Database, events: str, table: str = "audit", settings: str = "") -> None:
    """Have a trigger of the host write down what happens to executions."""
    database.run(AUDIT)
    database.run(
        f"CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql {settings} AS $$ BEGIN "
        f"INSERT INTO {table} VALUES (NEW.id, NEW.status); RETURN NULL; END $$"
    )
    database.run(
        f"CREATE TRIGGER audit AFTER {events} ON workflow_executions "
        "FOR EACH ROW EXECUTE FUNCTION audit()"
    )


@pytest.mark.parametrize(
    ("table", "settings"),
    [
        ("audit", "SET search_path = public"),
        ("public.audit", ""),
        ("public.audit", "SET search_path = ''"),
    ],
)
def test_a_hosts_trigger_that_finds_its_tables_by_itself_works(
    subject: Subject, user_id: UUID, database: Database, table: str, settings: str
) -> None:
    audit(database, "INSERT OR UPDATE", table, settings)
    assert subject.execute_idempotent(options("k", user_id), Calls("done")) == "done"
    seen = [row["status"] for row in database.all("SELECT status FROM audit")]
    assert seen == ["running", "completed"]


def test_a_hosts_trigger_that_relies_on_the_callers_search_path_fails_before_anything_has_run(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    audit(database, "INSERT OR UPDATE")
    calls = Calls()
    with pytest.raises(MigrationRequiredError) as caught:
        subject.execute(options("k", user_id), calls)
    message = str(caught.value)
    assert 'relation "audit" does not exist' in message
    assert "a trigger of your own" in message
    assert "SET search_path" in message
    assert calls.count == 0
    assert subject.get_execution("k") is None
    database.run("ALTER FUNCTION audit() SET search_path = public")
    assert subject.execute_idempotent(options("k", user_id), calls) == "done"


def test_one_on_updates_alone_fails_when_the_result_is_stored_and_it_is_handed_over(
    new_subject: NewSubject, user_id: UUID, database: Database
) -> None:
    """Nothing has told before: the claim of a fresh key updates nothing."""
    audit(database, "UPDATE")
    subject, calls = new_subject(), Calls("charged")
    with pytest.raises(StorageError, match="a trigger of your own") as caught:
        subject.execute(options("k", user_id), calls, save_timeout=SHORT)
    assert caught.value.result == "charged"
    assert calls.count == 1
    assert database.row("k")["status"] == "running"


def test_without_tables_in_the_schema_that_was_given_it_is_named(
    new_subject: NewSubject, user_id: UUID
) -> None:
    subject = new_subject(schema="elsewhere")
    with pytest.raises(MigrationRequiredError, match="In schema 'elsewhere'") as caught:
        subject.execute(options("k", user_id), Calls())
    assert "exec-tracker db upgrade --schema elsewhere" in str(caught.value)
    assert "your own Alembic run" in str(caught.value)
    with pytest.raises(MigrationRequiredError, match="In schema 'elsewhere'"):
        subject.get_recent_executions(uuid4())

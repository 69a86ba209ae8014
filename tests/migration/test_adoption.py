"""Tables made by hand from the specified SQL are adopted by a stamp."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, text

from exec_tracker import migrations
from exec_tracker.errors import SchemaError, SchemaTooNewError

if TYPE_CHECKING:
    from collections.abc import Callable

SPECIFIED = Path(__file__).with_name("specified_schema.sql")


def make_by_hand(engine: Engine, psql: Callable[..., str]) -> None:
    migrations.upgrade(engine, "0001_exec_tracker", identity="standalone")
    with engine.begin() as connection:
        connection.execute(text("COMMENT ON SCHEMA auth IS 'of the platform'"))
        connection.execute(text("DROP TABLE workflow_executions"))
        connection.execute(text("DROP FUNCTION update_workflow_execution_updated_at()"))
        connection.execute(text(f"DROP TABLE {migrations.VERSION_TABLE}"))
    psql(engine.url, SPECIFIED.read_text())


def test_the_first_revision_is_the_specified_schema_to_the_letter(
    engine: Engine, other_engine: Engine, psql: Callable[..., str], dump: Callable[..., str]
) -> None:
    make_by_hand(engine, psql)
    migrations.upgrade(other_engine, "0001_exec_tracker", identity="standalone")
    with other_engine.begin() as connection:
        connection.execute(text("COMMENT ON SCHEMA auth IS 'of the platform'"))
    assert dump(engine.url) == dump(other_engine.url)


def test_tables_without_a_revision_stop_the_upgrade_and_the_error_names_the_stamp(
    engine: Engine, psql: Callable[..., str], dump: Callable[..., str]
) -> None:
    make_by_hand(engine, psql)
    before = dump(engine.url)
    with pytest.raises(SchemaError, match="alembic stamp 0001_exec_tracker"):
        migrations.upgrade(engine)
    assert dump(engine.url) == before


@pytest.mark.parametrize("revision", ["0001", "0001_exec_tracker"])
def test_a_stamped_database_is_upgraded_with_its_rows(
    engine: Engine, psql: Callable[..., str], revision: str
) -> None:
    make_by_hand(engine, psql)
    user = uuid.uuid4()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO auth.users (id) VALUES (:id)"), {"id": user})
        connection.execute(
            text(
                "INSERT INTO workflow_executions (id, workflow_id, user_id, status) "
                "SELECT s, 'w', :user, s FROM unnest(ARRAY['pending', 'running', 'completed', "
                "'failed']) AS s"
            ),
            {"user": user},
        )
    migrations.stamp(engine, revision)
    migrations.upgrade(engine)
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT id, attempt, claim_token, fingerprint FROM workflow_executions")
        ).all()
    assert sorted(row.id for row in rows) == ["completed", "failed", "pending", "running"]
    assert {tuple(row)[1:] for row in rows} == {(0, None, None)}


def test_an_adopted_schema_ends_like_a_new_one(
    engine: Engine, other_engine: Engine, psql: Callable[..., str], dump: Callable[..., str]
) -> None:
    make_by_hand(engine, psql)
    migrations.stamp(engine, "0001")
    migrations.upgrade(engine)
    migrations.upgrade(other_engine)
    with other_engine.begin() as connection:
        connection.execute(text("COMMENT ON SCHEMA auth IS 'of the platform'"))
    assert dump(engine.url) == dump(other_engine.url)


def test_a_revision_from_the_future_is_refused(engine: Engine) -> None:
    migrations.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(
            text(f"UPDATE {migrations.VERSION_TABLE} SET version_num = '9999_exec_tracker'")
        )
    with pytest.raises(SchemaTooNewError, match="9999_exec_tracker"):
        migrations.upgrade(engine)

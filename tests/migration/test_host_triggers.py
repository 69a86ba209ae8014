"""An upgrade tells of triggers of the host that may not find what they name any more."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from exec_tracker import migrations

if TYPE_CHECKING:
    from sqlalchemy import Engine


def add_trigger(engine: Engine, name: str, settings: str = "") -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql {settings} "
            "AS $$ BEGIN RETURN NULL; END $$"
        )
        connection.exec_driver_sql(
            f"CREATE TRIGGER on_{name} AFTER UPDATE ON workflow_executions "
            f"FOR EACH ROW EXECUTE FUNCTION {name}()"
        )


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    # Of the main thread alone: a tracker of another test may still warn about its heartbeat.
    own = [one for one in caplog.records if one.threadName == "MainThread"]
    return [one.getMessage() for one in own if one.levelno >= logging.WARNING]


def test_an_upgrade_names_triggers_without_a_search_path(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    migrations.upgrade(engine, "0005_exec_tracker_indexes")
    add_trigger(engine, "audit")
    add_trigger(engine, "notify_us", "SET search_path = ''")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER unchanged BEFORE UPDATE ON workflow_executions "
            "FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        )
    assert told(caplog) == []
    migrations.upgrade(engine)
    (message,) = told(caplog)
    assert message.startswith("The trigger on_audit runs audit() under an empty search path")
    assert "ALTER FUNCTION audit() SET search_path" in message


@pytest.mark.parametrize("schema", [None, "app"])
def test_an_upgrade_without_such_triggers_warns_of_nothing(
    engine: Engine, caplog: pytest.LogCaptureFixture, schema: str | None
) -> None:
    migrations.upgrade(engine, schema=schema)
    with engine.begin() as connection:
        migrations.upgrade(connection, schema=schema)
    assert told(caplog) == []

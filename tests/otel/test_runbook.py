"""The runbook: its queries run and find what they are for; pages and alerts name what there is."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from exec_tracker import EventName, ExecutionTracker, OutcomeUnknownError, errors
from exec_tracker.integrations import telemetry as names
from tests.docs.pages import ROOT, page
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.testing import DatabaseClock
    from tests.otel.recorded import Telemetry
    from tests.support.database import Database

RUNBOOK = page(ROOT / "docs" / "howto" / "operate.md")
HOWTO = page(ROOT / "docs" / "howto" / "opentelemetry.md")
QUERIES = [block.text for block in RUNBOOK.blocks if block.language == "sql"]
(ALERTS,) = (block.text for block in RUNBOOK.blocks if block.language == "yaml")

INSTRUMENTS = {
    "exec_tracker.executions": "_total",
    "exec_tracker.run.duration": "_seconds",
    "exec_tracker.wait.duration": "_seconds",
    "exec_tracker.lease.renewals": "_total",
    "exec_tracker.abandoned": "",
}
ATTRIBUTES = {
    value
    for name, value in vars(names).items()
    if name.isupper() and isinstance(value, str) and "." in value
}


@pytest.fixture
def troubled(
    tracker: ExecutionTracker, user_id: UUID, database_clock: DatabaseClock
) -> ExecutionTracker:
    """A tracker with one execution of each kind that the runbook looks for."""
    tracker.execute(options("done", user_id), Calls())
    tracker.create_execution(options("endless", user_id))
    tracker.mark_running("endless")
    database_clock.advance(timedelta(hours=2))
    with pytest.raises(ValueError, match="declined"):
        tracker.execute(options("failing", user_id), Calls(raises=ValueError("declined")))
    with pytest.raises(OutcomeUnknownError):
        tracker.execute(options("unknown", user_id), Calls(raises=OutcomeUnknownError("gone")))
    return tracker


@pytest.mark.usefixtures("troubled")
def test_each_query_finds_what_it_is_for(database: Database) -> None:
    abandoned, running, failures, growth = (database.all(query) for query in QUERIES)
    assert [row["id"] for row in abandoned] == ["unknown"]
    assert [row["id"] for row in running] == ["endless"]
    assert {(row["workflow_id"], row["error"], row["attempts"]) for row in failures} == {
        ("w", "ValueError", 1),
        ("w", "exec_tracker.errors.OutcomeUnknownError", 1),
    }
    (size,) = growth
    assert size["oldest"] is not None


def test_alerts_ask_for_metrics_that_there_are() -> None:
    known = {name.replace(".", "_") + suffix for name, suffix in INSTRUMENTS.items()}
    known |= {one.replace(".", "_") for one in ATTRIBUTES} | {"db_namespace"}
    assert set(re.findall(r"\b[a-z]+_[a-z_]+\b", ALERTS)) <= known | {"exec_tracker"}


def test_alerts_ask_for_errors_and_outcomes_that_there_are() -> None:
    asked = set(re.findall(r"\b\w+Error\b", ALERTS))
    assert asked >= {"IdempotencyKeyReusedError", "MigrationRequiredError", "StorageError"}
    assert all(hasattr(errors, name) for name in asked)
    outcomes = set(re.findall(r'exec_tracker_outcome="(\w+)"', ALERTS))
    assert outcomes <= {*EventName, names.ERROR, names.INTERRUPTED}


def test_the_runbook_says_what_to_do_about_every_alert() -> None:
    alerts = re.findall(r"- alert: (\w+)", ALERTS)
    actions = re.findall(r"^## (.+)$", RUNBOOK.text, re.MULTILINE)
    assert len(alerts) == 8
    assert [title for title in actions if title not in {"Alerts", "Before you need it"}] == [
        "Executions are abandoned",
        "Claims are lost",
        "Leases are not renewed",
        "The database cannot be used",
        "The schema does not fit",
        "Keys are reused",
        "Calls are often in progress",
        "Functions often fail",
        "The table grows",
    ]


def test_the_page_names_every_span_event_metric_and_attribute(
    telemetry: Telemetry, tracker: ExecutionTracker, user_id: UUID
) -> None:
    telemetry.attach(tracker, abandoned_every=timedelta(0))
    tracker.execute(options("k", user_id), Calls())
    told = HOWTO.text
    assert telemetry.points("exec_tracker.abandoned")
    for name in (*INSTRUMENTS, *ATTRIBUTES, *(f"exec_tracker.{one}" for one in EventName)):
        assert f"`{name}" in told or name == "event.name", name

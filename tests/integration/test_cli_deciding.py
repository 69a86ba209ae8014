"""`resolve`, `reset` and `purge`: somebody decides, and old executions go."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from exec_tracker.settings import normalise_url
from exec_tracker.types import ExecuteOptions
from tests.integration.cli_support import CommandLine

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.tracker import ExecutionTracker


@pytest.fixture
def line(database_url: str) -> CommandLine:
    return CommandLine(database_url)


@pytest.fixture
def abandoned(tracker: ExecutionTracker, user_id: UUID) -> ExecuteOptions:
    options = ExecuteOptions(idempotency_key="k-1", workflow_id="w", user_id=user_id)
    tracker.create_execution(options)
    tracker.mark_running("k-1", lease=timedelta(milliseconds=1))
    time.sleep(0.01)
    return options


def test_resolving_with_a_result_completes_it(
    line: CommandLine, tracker: ExecutionTracker, abandoned: ExecuteOptions
) -> None:
    answer = line("resolve", "k-1", "--result", '{"charge": "ch_1"}', "--json")
    assert answer.status == 0
    assert answer.json["status"] == "completed"
    replayed = tracker.execute(abandoned, dict[str, str])
    assert (replayed.cached, replayed.data) == (True, {"charge": "ch_1"})


def test_resolving_with_null_is_a_result_too(line: CommandLine, abandoned: ExecuteOptions) -> None:
    answer = line("resolve", "k-1", "--result", "null")
    assert (answer.status, answer.err) == (0, "exec-tracker: execution 'k-1' is completed now\n")


def test_resolving_with_an_error_fails_it_and_the_next_call_runs_it(
    line: CommandLine, tracker: ExecutionTracker, abandoned: ExecuteOptions
) -> None:
    answer = line("resolve", "k-1", "--error", "the bank knows nothing of it", "--json")
    assert (answer.json["status"], answer.json["error"]["retryable"]) == ("failed", True)
    assert tracker.execute(abandoned, lambda: 7).data == 7


def test_resolving_with_no_retry_keeps_it_from_running(
    line: CommandLine, abandoned: ExecuteOptions
) -> None:
    answer = line("resolve", "k-1", "--error", "never again", "--no-retry", "--json")
    assert answer.json["error"]["retryable"] is False


def test_a_result_that_is_no_json_is_refused_and_nothing_changes(
    line: CommandLine, abandoned: ExecuteOptions
) -> None:
    refused = line("resolve", "k-1", "--result", "sent")
    assert refused.status == 65
    assert "text needs its own quotes" in refused.err
    assert line("resolve", "k-1", "--result", "NaN").status == 65
    assert line("show", "k-1", "--json").json["status"] == "running"


def test_what_is_not_abandoned_cannot_be_resolved(
    line: CommandLine, tracker: ExecutionTracker, user_id: UUID
) -> None:
    options = ExecuteOptions(idempotency_key="k-1", workflow_id="w", user_id=user_id)
    tracker.execute(options, lambda: 1)
    refused = line("resolve", "k-1", "--error", "no")
    assert refused.status == 65
    assert "resolve is not possible for execution 'k-1': it is completed" in refused.err
    assert line("reset", "k-1").status == 65


def test_reset_lets_the_next_call_run_it(
    line: CommandLine, tracker: ExecutionTracker, abandoned: ExecuteOptions
) -> None:
    assert line("reset", "k-1", "--json").json["status"] == "pending"
    assert tracker.execute(abandoned, lambda: 7).execution.attempt == 2


@pytest.fixture
def old(tracker: ExecutionTracker, user_id: UUID, database_url: str) -> None:
    """Five completed and two failed executions of last year, and one completed just now."""

    def refuse() -> None:
        raise RuntimeError("no")

    for number in range(5):
        key = f"old-{number}"
        options = ExecuteOptions(idempotency_key=key, workflow_id="w", user_id=user_id)
        tracker.execute(options, lambda: 1)
    for number in range(2):
        key = f"failed-{number}"
        options = ExecuteOptions(idempotency_key=key, workflow_id="w", user_id=user_id)
        with pytest.raises(RuntimeError):
            tracker.execute(options, refuse)
    engine = create_engine(normalise_url(database_url))
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text(
                "UPDATE workflow_executions SET created_at = created_at - interval '1 year', "
                "completed_at = completed_at - interval '1 year'"
            )
        )
    engine.dispose()
    fresh = ExecuteOptions(idempotency_key="new", workflow_id="w", user_id=user_id)
    tracker.execute(fresh, lambda: 1)


def _left(line: CommandLine) -> set[str]:
    return {one["id"] for one in line("list", "--json").json}


def test_a_dry_run_counts_and_deletes_nothing(line: CommandLine, old: None) -> None:
    answer = line("purge", "--older-than", "30d", "--dry-run")
    assert answer.status == 0
    assert "5 executions would be purged" in answer.err
    assert len(_left(line)) == 8


def test_purge_deletes_old_completed_executions_in_batches(line: CommandLine, old: None) -> None:
    answer = line("purge", "--older-than", "30d", "--batch-size", "2", "--json")
    assert answer.status == 0
    assert (answer.json["due"], answer.json["purged"]) == (5, 5)
    assert _left(line) == {"new", "failed-0", "failed-1"}


def test_purge_takes_failed_ones_only_when_told(line: CommandLine, old: None) -> None:
    assert "2 executions purged" in line("purge", "--older-than", "30d", "--status", "failed").err
    both = ("--status", "failed", "--status", "completed")
    assert line("purge", "--older-than", "30d", *both, "--json").json["purged"] == 5
    assert _left(line) == {"new"}


def test_purging_what_is_not_old_enough_deletes_nothing(line: CommandLine, old: None) -> None:
    assert "0 executions purged" in line("purge", "--older-than", "2000d").err

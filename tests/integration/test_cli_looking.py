"""`show`, `attempts`, `list`, `abandoned`, `watch`: what is stored, for people and programs."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from exec_tracker.types import ExecuteOptions, ExecutionActor
from tests.integration.cli_support import CommandLine, ended

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.tracker import ExecutionTracker


@pytest.fixture
def line(database_url: str) -> CommandLine:
    return CommandLine(database_url)


def _options(user_id: UUID, key: str = "k-1", workflow: str = "mail") -> ExecuteOptions:
    return ExecuteOptions(
        idempotency_key=key,
        workflow_id=workflow,
        user_id=user_id,
        actor=ExecutionActor.WEBHOOK,
        parameters={"to": "[red]zoë@example.com[/red]"},
    )


def _fail(tracker: ExecutionTracker, options: ExecuteOptions) -> None:
    def refuse() -> None:
        raise RuntimeError("mailbox\x1b[31m full")

    with pytest.raises(RuntimeError):
        tracker.execute(options, refuse)


def _abandon(tracker: ExecutionTracker, options: ExecuteOptions) -> None:
    tracker.create_execution(options)
    tracker.mark_running(options.execution_id, lease=timedelta(milliseconds=1))
    time.sleep(0.01)


def test_show_has_everything_that_is_known(
    line: CommandLine, tracker: ExecutionTracker, user_id: UUID
) -> None:
    tracker.execute(_options(user_id), lambda: {"id": 2**70, "ok": None})
    shown = line("show", "k-1").text
    for part in ("mail", "completed", "webhook", str(user_id), str(2**70)):
        assert part in shown
    assert "[red]zoë@example.com[/red]" in shown
    stored = line("show", "k-1", "--json").json
    assert stored["result"] == {"id": 2**70, "ok": None}
    assert stored["status"] == "completed"
    assert stored["is_abandoned"] is False


def test_what_is_stored_cannot_give_orders_to_the_terminal(
    line: CommandLine, tracker: ExecutionTracker, user_id: UUID
) -> None:
    _fail(tracker, _options(user_id))
    for command in ("show", "attempts"):
        shown = line(command, "k-1").text
        assert "mailbox\\x1b[31m full" in shown
        assert "\x1b" not in shown


def test_attempts_tell_how_each_of_them_ended(
    line: CommandLine, tracker: ExecutionTracker, user_id: UUID
) -> None:
    for _ in range(2):
        _fail(tracker, _options(user_id))
    history = line("attempts", "k-1", "--json").json
    assert [(one["attempt"], one["outcome"]) for one in history] == [(1, "failed"), (2, "failed")]
    assert "RuntimeError" in history[0]["error"]["traceback"]


def test_no_attempts_is_said_on_the_side(
    line: CommandLine, tracker: ExecutionTracker, user_id: UUID
) -> None:
    tracker.execute(_options(user_id), lambda: 1)
    answer = line("attempts", "k-1")
    assert (answer.status, answer.out) == (0, b"")
    assert "no attempt at execution 'k-1' has failed" in answer.err
    assert line("attempts", "k-1", "--json").json == []


def test_a_list_is_newest_first_and_takes_filters(
    line: CommandLine, tracker: ExecutionTracker, user_id: UUID, other_user_id: UUID
) -> None:
    tracker.execute(_options(user_id, "a"), lambda: 1)
    tracker.execute(_options(other_user_id, "b", "print"), lambda: 1)
    _fail(tracker, _options(user_id, "c", "print"))

    def listed(*filters: str) -> list[str]:
        return [one["id"] for one in line("list", "--json", *filters).json]

    assert listed() == ["c", "b", "a"]
    assert listed("--status", "failed") == ["c"]
    assert listed("--workflow", "print") == ["c", "b"]
    assert listed("--user", str(user_id)) == ["c", "a"]
    assert listed("--user", str(user_id), "--status", "completed") == ["a"]
    assert listed("--limit", "1") == ["c"]
    assert listed("--status", "pending") == []


def test_a_list_for_people_says_when_there_is_more(
    line: CommandLine, tracker: ExecutionTracker, user_id: UUID
) -> None:
    for key in ("a", "b"):
        tracker.execute(_options(user_id, key), lambda: 1)
    answer = line("list", "--limit", "1")
    assert "completed" in answer.text
    assert "these are the newest 1" in answer.err
    assert "no execution matches" in line("list", "--status", "pending").err


@pytest.mark.parametrize(
    ("columns", "key", "kept", "left_out"),
    [
        (40, "x" * 50, "status", "workflow"),
        (80, "x" * 5, "created", "ended"),
        (80, "x" * 50, "workflow", "created"),
        (80, "x" * 150, "status", "workflow"),
        (200, "x" * 50, "ended", ""),
    ],
    ids=str,
)
def test_a_list_folds_no_id_and_says_what_it_has_no_room_for(  # noqa: PLR0917 # a table's columns
    line: CommandLine,
    tracker: ExecutionTracker,
    user_id: UUID,
    columns: int,
    key: str,
    kept: str,
    left_out: str,
) -> None:
    tracker.execute(_options(user_id, key), lambda: 1)
    line.environment["COLUMNS"] = str(columns)
    answer = line("list")
    _, heading, _, row, *_ = answer.text.splitlines()
    assert row.split()[0] == key
    assert "completed" in row
    assert kept in heading.split()
    assert left_out not in heading.split()
    assert ("no room for" in answer.err) == bool(left_out)
    assert left_out in answer.err


def test_abandoned_lists_only_what_nobody_knows_about(
    line: CommandLine, tracker: ExecutionTracker, user_id: UUID
) -> None:
    tracker.execute(_options(user_id, "known"), lambda: 1)
    _fail(tracker, _options(user_id, "failed"))
    _abandon(tracker, _options(user_id, "unknown"))
    assert [one["id"] for one in line("abandoned", "--json").json] == ["unknown"]
    assert "running, abandoned" in line("abandoned").text
    assert line("abandoned", "--workflow", "other", "--json").json == []


def test_watch_follows_an_execution_to_its_end(
    line: CommandLine, tracker: ExecutionTracker, user_id: UUID
) -> None:
    tracker.create_execution(_options(user_id))
    watching = line.start("watch", "k-1", "--every", "20ms")
    assert watching.stdout is not None
    assert watching.stdout.readline() == b"k-1\tpending\tattempt 0\n"
    tracker.mark_running("k-1")
    assert watching.stdout.readline() == b"k-1\trunning\tattempt 1\n"
    tracker.mark_completed("k-1", {"sent": True})
    answer = ended(watching)
    assert (answer.status, answer.text) == (0, "k-1\tcompleted\tattempt 1\n")


def test_the_status_of_watch_tells_the_ending(
    line: CommandLine, tracker: ExecutionTracker, user_id: UUID
) -> None:
    tracker.execute(_options(user_id, "fine"), lambda: 1)
    _fail(tracker, _options(user_id, "failed"))
    _abandon(tracker, _options(user_id, "unknown"))
    tracker.create_execution(_options(user_id, "pending"))
    assert line("watch", "fine").status == 0
    assert line("watch", "failed").status == 1
    assert line("watch", "unknown").status == 76
    late = line("watch", "pending", "--every", "10ms", "--timeout", "30ms")
    assert late.status == 75
    assert "still pending; watch it again later" in late.err


def test_watch_prints_json_for_programs(
    line: CommandLine, tracker: ExecutionTracker, user_id: UUID
) -> None:
    tracker.execute(_options(user_id), lambda: 1)
    assert line("watch", "k-1", "--json").json["result"] == 1

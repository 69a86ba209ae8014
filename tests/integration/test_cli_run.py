"""`exec-tracker run` and `retry`: any command, once per key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from exec_tracker.settings import normalise_url
from exec_tracker.types import ExecuteOptions
from tests.integration.cli_support import CommandLine, await_mark, counting, ended, marks, run

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from exec_tracker.tracker import ExecutionTracker


@pytest.fixture
def line(database_url: str) -> CommandLine:
    return CommandLine(database_url)


def test_second_call_prints_the_stored_output_and_exits_with_the_stored_status(
    line: CommandLine, tmp_path: Path
) -> None:
    command = counting(tmp_path / "effects", "date +%N; echo complaint >&2; exit 3")

    first = line.process(*run(*command))
    second = line.process(*run(*command))

    assert first.status == second.status == 3
    assert first.out == second.out != b""
    assert first.err == second.err == "complaint\n"
    assert marks(tmp_path / "effects") == 1


def test_output_that_is_no_text_comes_back_byte_for_byte(line: CommandLine) -> None:
    everything = r"printf '\000\001\377\376\303\050caf\303\251\n\\u0000'"
    first = line(*run("sh", "-c", everything))
    assert first.out == b"\x00\x01\xff\xfe\xc3\x28caf\xc3\xa9\n\\u0000"
    assert line(*run("sh", "-c", everything)).out == first.out


def test_arguments_that_are_no_text_identify_the_request(line: CommandLine) -> None:
    assert line.process(*run("printf", "%s", "\udcff")).out == b"\xff"
    assert line.process(*run("printf", "%s", "\udcff")).out == b"\xff"
    assert line.process(*run("printf", "%s", "\udcfe")).status == 65


def test_output_beyond_the_bound_is_passed_on_in_full_and_kept_in_part(line: CommandLine) -> None:
    command = run("sh", "-c", "seq 100000", extra=("--max-output", "1000"))
    first = line(*command)
    second = line(*command)
    assert len(first.out) == 588895
    assert second.out == first.out[:1000]
    assert "of 588,895 bytes on stdout the first 1,000 were kept" in second.err


def test_two_megabytes_of_control_characters_fit_into_a_row(line: CommandLine) -> None:
    command = run("sh", "-c", r"head -c 2000000 /dev/zero | tr '\0' '\1'")
    assert line(*command).status == 0
    assert line(*command).out == b"\x01" * 1048576


def test_another_command_under_the_same_key_is_refused(line: CommandLine) -> None:
    assert line(*run("true")).status == 0
    refused = line(*run("false"))
    assert refused.status == 65
    assert refused.err == (
        "exec-tracker: the key was first used with another command: take a new key for a new "
        "request\n"
    )


def test_of_two_at_once_one_runs_and_the_other_says_in_progress(
    line: CommandLine, tmp_path: Path
) -> None:
    effects, gate = tmp_path / "effects", tmp_path / "gate"
    command = counting(effects, f"while ! [ -e '{gate}' ]; do sleep 0.02; done; echo done")
    first = line.start(*run(*command))
    await_mark(effects)

    second = line.process(*run(*command))
    gate.touch()

    assert second.status == 75
    assert "in progress" not in second.out.decode()
    assert "is running (attempt 1); try again later" in second.err
    assert ended(first).out == b"done\n"
    assert line(*run(*command)).out == b"done\n"
    assert marks(effects) == 1


@pytest.mark.slow
def test_six_processes_on_a_fresh_key_run_its_command_once(
    line: CommandLine, tmp_path: Path
) -> None:
    command = counting(tmp_path / "effects", "echo done")
    processes = [line.start(*run(*command, extra=("--wait",))) for _ in range(6)]
    answers = [ended(one) for one in processes]
    assert {(one.status, one.out) for one in answers} == {(0, b"done\n")}
    assert marks(tmp_path / "effects") == 1


def test_waiting_ends_with_in_progress_when_its_time_is_up(
    line: CommandLine, tmp_path: Path
) -> None:
    effects = tmp_path / "effects"
    command = counting(effects, "sleep 3")
    first = line.start(*run(*command))
    await_mark(effects)
    refused = line(*run(*command, extra=("--wait", "--wait-timeout", "50ms")))
    assert refused.status == 75
    assert ended(first).status == 0


def test_a_failing_status_is_an_outcome_unless_told_otherwise(
    line: CommandLine, tmp_path: Path
) -> None:
    effects = tmp_path / "effects"
    command = counting(effects, f"echo broken >&2; [ $(wc -l < '{effects}') -ge 3 ]")
    wanted = run(*command, extra=("--retry-on-failure",))

    assert [line(*wanted).status for _ in range(4)] == [1, 1, 0, 0]

    assert marks(effects) == 3
    history = line("attempts", "k-1", "--json").json
    assert [one["attempt"] for one in history] == [1, 2]
    assert "exit status 1; standard error ends: broken" in history[0]["error"]["message"]


def test_a_command_that_is_not_there_was_not_run_and_may_be_called_again(
    line: CommandLine, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    assert line(*run(str(program))).status == 127
    program.write_text("#!/bin/sh\necho here now\n")
    assert line(*run(str(program))).status == 126
    program.chmod(0o755)
    assert line(*run(str(program))).out == b"here now\n"


def test_the_command_finds_its_key_in_its_environment(line: CommandLine) -> None:
    script = 'echo "$EXEC_TRACKER_IDEMPOTENCY_KEY $EXEC_TRACKER_ATTEMPT"'
    assert line(*run("sh", "-c", script)).out == b"k-1 1\n"


def test_a_hidden_command_is_not_stored_and_still_must_match(line: CommandLine) -> None:
    assert line(*run("echo", "secret", extra=("--hide-command",))).status == 0
    assert "echo" not in line("show", "k-1", "--json").text.replace("secret\\n", "")
    assert line(*run("echo", "secret", extra=("--hide-command",))).out == b"secret\n"
    assert line(*run("echo", "other", extra=("--hide-command",))).status == 65


def test_retry_runs_the_stored_command_of_an_abandoned_execution(
    line: CommandLine, tmp_path: Path
) -> None:
    effects = tmp_path / "effects"
    command = counting(effects, f"[ $(wc -l < '{effects}') -ge 2 ] || kill -KILL $$; echo done")
    assert line(*run(*command)).status == 137
    assert line("retry", "k-1").out == b"done\n"
    assert line(*run(*command)).out == b"done\n"
    refused = line("retry", "k-1")
    assert refused.status == 65
    assert "is completed, so there is nothing to retry" in refused.err


def test_retry_needs_a_command_that_was_stored(
    line: CommandLine, tracker: ExecutionTracker, user_id: UUID
) -> None:
    tracker.create_execution(
        ExecuteOptions(idempotency_key="k-1", workflow_id="other", user_id=user_id)
    )
    refused = line("retry", "k-1")
    assert refused.status == 65
    assert "has no stored command" in refused.err


def test_a_result_that_somebody_resolved_is_printed_as_json(line: CommandLine) -> None:
    assert line(*run("sh", "-c", "kill -KILL $$")).status == 137
    assert line("resolve", "k-1", "--result", '{"sent": true}').status == 0
    replay = line(*run("sh", "-c", "kill -KILL $$"))
    assert (replay.status, replay.json) == (0, {"sent": True})


def test_without_a_user_only_a_standalone_database_will_do(
    line: CommandLine, database_url: str, user_id: UUID
) -> None:
    engine = create_engine(normalise_url(database_url))
    with engine.begin() as connection:
        connection.execute(text("COMMENT ON SCHEMA auth IS 'made by an auth service'"))
    engine.dispose()

    refused = line(*run("true"))

    assert refused.status == 67
    assert "say with --user UUID whose execution it is" in refused.err
    assert line(*run("true", extra=("--user", str(user_id)))).status == 0

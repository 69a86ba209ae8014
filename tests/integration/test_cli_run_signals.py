"""What ends a command before its time, and what does not."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from exec_tracker.settings import normalise_url
from tests.integration.cli_support import CommandLine, await_mark, counting, ended, marks, run

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID


@pytest.fixture
def line(database_url: str) -> CommandLine:
    return CommandLine(database_url)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_the_command_and_leaves_its_outcome_unknown(
    line: CommandLine, tmp_path: Path, number: signal.Signals
) -> None:
    effects, seen = tmp_path / "effects", tmp_path / "seen"
    trap = f"trap 'echo seen > \"{seen}\"; exit 0' INT TERM HUP"
    command = ["sh", "-c", f"{trap}; echo mark >> '{effects}'; while :; do sleep 0.02; done"]
    running = line.start(*run(*command), start_new_session=True)
    await_mark(effects)

    running.send_signal(number)
    answer = ended(running)

    assert answer.status == 128 + number
    assert f"was sent {number.name}: nobody knows how far the command came" in answer.err
    assert seen.exists()
    assert line("abandoned", "--json").json[0]["id"] == "k-1"
    again = line(*run(*command))
    assert again.status == 76
    assert "abandoned in attempt 1" in again.err
    assert marks(effects) == 1


def test_a_command_ended_by_a_signal_has_no_outcome(line: CommandLine) -> None:
    killed = line(*run("sh", "-c", "kill -KILL $$"))
    assert killed.status == 137
    assert "ended by SIGKILL" in killed.err
    assert line(*run("sh", "-c", "kill -KILL $$")).status == 76


def test_a_signal_before_the_command_starts_gives_the_key_back(
    line: CommandLine, database_url: str, user_id: UUID, tmp_path: Path
) -> None:
    engine = create_engine(normalise_url(database_url))
    insert = text(
        "INSERT INTO workflow_executions (id, workflow_id, user_id, status) "
        "VALUES ('k-1', 'nightly', :user, 'pending')"
    )
    with engine.connect() as connection:
        connection.execute(insert, {"user": user_id})  # and no commit: the claim has to wait
        waiting = line.start(*run(*counting(tmp_path / "effects")), start_new_session=True)
        _await_a_waiter(database_url)
        waiting.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        connection.rollback()
        answer = ended(waiting)
    engine.dispose()
    assert answer.status == 143
    assert marks(tmp_path / "effects") == 0
    assert line(*run(*counting(tmp_path / "effects"))).status == 0


def _await_a_waiter(url: str) -> None:
    engine = create_engine(normalise_url(url))
    # Only in this test's database: other tests have theirs on the same server.
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 30
    with engine.connect() as connection:
        while not connection.execute(waiting).scalar_one():
            assert time.monotonic() < deadline
            connection.rollback()
            time.sleep(0.01)
    engine.dispose()


def test_a_reader_that_goes_away_does_not_end_the_command(
    line: CommandLine, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    command = run("sh", "-c", f"seq 150000; echo > '{done}'")
    with line.start(*command) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(10)
        running.stdout.close()
        running.stderr.close()
        assert running.wait(60) == 0
    assert done.exists()
    assert line(*command).out.endswith(b"\n149999\n150000\n")


def test_what_a_command_leaves_running_does_not_keep_us_waiting(line: CommandLine) -> None:
    began = time.monotonic()
    answer = line(*run("sh", "-c", "sleep 20 & echo started"))
    assert answer.out == b"started\n"
    assert time.monotonic() - began < 10


def test_the_keyboard_interrupts_the_command_once(line: CommandLine, tmp_path: Path) -> None:
    """Both processes are in the terminal's foreground group, so both get the signal anyway."""
    script = tmp_path / "count.sh"
    script.write_text(
        f"n=0; trap 'n=$((n+1)); echo $n > {tmp_path}/n' INT; echo mark >> {tmp_path}/effects\n"
        f"i=0; while [ $i -lt 40 ]; do sleep 0.02; i=$((i+1)); done\n"
    )
    pty = f"import pty, sys; sys.exit(pty.spawn({['sh', '-c', _in_terminal(script)]!r}) >> 8)"
    terminal = subprocess.Popen(
        [sys.executable, "-c", pty],
        env=line.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    await_mark(tmp_path / "effects")
    assert terminal.stdin is not None
    terminal.stdin.write(b"\x03")
    terminal.stdin.flush()
    output, _ = terminal.communicate(timeout=60)
    assert b"was sent SIGINT" in output
    assert (tmp_path / "n").read_text() == "1\n"


def _in_terminal(script: Path) -> str:
    arguments = run("sh", str(script))
    return "exec " + shlex.join([sys.executable, "-m", "exec_tracker", *arguments])


def test_closed_output_streams_do_not_keep_a_command_from_running(
    line: CommandLine, tmp_path: Path
) -> None:
    command = run(*counting(tmp_path / "effects", "echo out; echo err >&2"))
    program = shlex.join([sys.executable, "-m", "exec_tracker", *command])
    closed = subprocess.run(["sh", "-c", f"{program} >&- 2>&-"], env=line.environment, check=False)
    assert closed.returncode == 0
    replayed = line(*command)
    assert (replayed.out, replayed.err) == (b"out\n", "err\n")
    assert marks(tmp_path / "effects") == 1

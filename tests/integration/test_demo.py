"""`exec-tracker demo`: webhooks delivered many times by processes that die, each done once."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exec_tracker.embedded import find_binaries
from exec_tracker.errors import ConfigurationError
from tests.integration.cli_support import CommandLine, ended

if TYPE_CHECKING:
    from exec_tracker.tracker import ExecutionTracker

pytestmark = pytest.mark.slow  # each starts several processes, and some wait for a lease to end


@pytest.fixture
def line(database_url: str) -> CommandLine:
    return CommandLine(database_url)


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Six deliveries are enough where the sample's variety does not matter."""
    file = tmp_path / "few.jsonl"
    deliveries = [{"delivery": f"d-{n}", "event": "ping", "payload": {"n": n}} for n in range(6)]
    file.write_text("".join(json.dumps(one) + "\n" for one in deliveries))
    return file


def test_every_delivery_of_the_sample_has_one_effect_though_a_process_is_killed(
    line: CommandLine, tracker: ExecutionTracker
) -> None:
    answer = line.process("demo", "--json", "--run", "sample")

    assert answer.status == 0, answer.err
    report = answer.json
    assert report["exactly_once"]
    assert report["effects_per_key"] == {"min": 1, "max": 1}
    assert (report["deliveries"], report["distinct_keys"], report["executions"]) == (41, 40, 40)
    [abandoned] = report["abandoned"]
    assert abandoned["killed"] == "after-effect"
    assert abandoned["resolved"] == "found"
    assert report["unequal_replays"] == 0
    assert report["replays"] >= 41 * 3 * 3
    killed = tracker.get_execution(abandoned["key"])
    assert killed is not None
    assert (killed.status, killed.attempt) == ("completed", 1)


def test_a_process_killed_before_its_effect_leaves_it_to_another(
    line: CommandLine, few: Path, tracker: ExecutionTracker
) -> None:
    answer = line.process(
        "demo", "--input", str(few), "--workers", "2", "--kill-at", "before-effect", "--json"
    )
    assert answer.status == 0, answer.err
    [abandoned] = answer.json["abandoned"]
    assert abandoned["resolved"] == "not found"
    assert answer.json["executions"] == 7
    killed = tracker.get_execution(abandoned["key"])
    assert killed is not None
    assert (killed.status, killed.attempt) == ("completed", 2)


def test_without_a_kill_nothing_is_abandoned(line: CommandLine) -> None:
    answer = line.process("demo", "--no-kill", "--workers", "3", "--times", "2", "--json")
    assert answer.status == 0, answer.err
    assert answer.json["abandoned"] == []
    assert answer.json["executions"] == 40
    assert answer.json["replays"] == 41 * 2 * 3 - 40


def test_the_table_tells_what_happened_and_the_last_line_what_it_means(
    line: CommandLine, few: Path
) -> None:
    answer = line.process("demo", "--input", str(few), "--workers", "1", "--times", "1")
    assert answer.status == 0, answer.err
    assert "after its effect: found outside, not run again" in answer.text
    assert "min 1, max 1" in answer.text
    assert answer.text.endswith("Every delivery had exactly one effect.\n")
    assert "Killed process" in answer.err


def test_an_effect_that_happened_twice_is_seen_and_fails_the_demo(
    line: CommandLine, few: Path, tmp_path: Path
) -> None:
    effects = tmp_path / "effects.jsonl"
    effects.write_text('{"key": "again:d-3", "process": 1}\n')
    answer = line.process(
        *("demo", "--input", str(few), "--no-kill", "--workers", "2"),
        *("--run", "again", "--effects", str(effects)),
    )
    assert answer.status == 1
    assert "min 1, max 2" in answer.text
    assert "of 6 keys 1 had more than one effect and 0 had none" in answer.text


def test_an_effect_that_went_missing_is_seen_and_fails_the_demo(
    line: CommandLine, few: Path, tmp_path: Path
) -> None:
    effects = tmp_path / "effects.jsonl"
    call = ["demo", "--input", str(few), "--no-kill", "--workers", "2", "--run", "lost"]
    call += ["--effects", str(effects)]
    assert line.process(*call).status == 0
    lines = effects.read_text().splitlines(keepends=True)
    effects.write_text("".join(lines[1:]))

    answer = line.process(*call)

    assert answer.status == 1
    assert "min 0, max 1" in answer.text


def test_a_demo_that_goes_on_only_replays(line: CommandLine, few: Path, tmp_path: Path) -> None:
    call = ["demo", "--input", str(few), "--workers", "2", "--run", "on", "--json"]
    call += ["--effects", str(tmp_path / "effects.jsonl")]
    assert line.process(*call).status == 0
    again = line.process(*call)
    assert again.status == 0
    assert again.json["executions"] == 0
    assert "No process was killed" in again.err


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all_processes(line: CommandLine, number: signal.Signals) -> None:
    demo = line.start("demo", "--times", "1000", start_new_session=True)
    assert demo.stderr is not None
    while b"Delivering" not in demo.stderr.readline():
        pass
    time.sleep(1)
    workers = _children(demo.pid)
    demo.send_signal(number)
    assert ended(demo).status == 130
    assert len(workers) >= 4
    assert not [pid for pid in workers if _runs(pid)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_its_processes_end_with_a_demo_that_was_killed(line: CommandLine, tmp_path: Path) -> None:
    line.environment["TMPDIR"] = str(tmp_path)  # its effects file is left behind
    demo = line.start("demo", "--times", "1000", start_new_session=True)
    assert demo.stderr is not None
    while b"Delivering" not in demo.stderr.readline():
        pass
    time.sleep(1)
    workers = _children(demo.pid)
    demo.kill()
    ended(demo)
    assert len(workers) >= 4
    deadline = time.monotonic() + 20
    while [pid for pid in workers if _runs(pid)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _children(parent: int) -> list[int]:
    return [pid for pid, (_, above) in _processes().items() if above == parent]


def _runs(pid: int) -> bool:
    """A process that has ended stays listed until somebody asks how, which may be never."""
    return _processes().get(pid, ("Z", 0))[0] not in "ZX"


def _processes() -> dict[int, tuple[str, int]]:
    """Return the state and parent of every process; not every machine has `ps`."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            found[int(folder.name)] = (state, int(parent))
    return found


def test_without_a_database_the_demo_brings_its_own(few: Path) -> None:
    try:
        find_binaries()
    except ConfigurationError:
        pytest.skip("no PostgreSQL to start here")
    answer = CommandLine(None).process("demo", "--input", str(few), "--workers", "2")
    assert answer.status == 0, answer.err
    assert "Starting a private PostgreSQL" in answer.err


def test_a_configured_database_is_upgraded_only_when_told(
    empty_database_url: str, few: Path
) -> None:
    line = CommandLine(empty_database_url)
    call = ("demo", "--input", str(few), "--workers", "1", "--no-kill")
    refused = line.process(*call)
    assert refused.status == 78
    assert "Run `exec-tracker db upgrade`" in refused.err
    assert line.process(*call, "--upgrade").status == 0

"""`db serve`: a private PostgreSQL from the command line, until somebody ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2
import pytest

from tests.integration.cli_support import CommandLine, ended
from tests.integration.embedded_support import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start a server, and yield its process and its URL."""
    process = CommandLine(None).start("db", "serve", *options)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        assert url.startswith("postgresql://"), ended(process).err
        yield process, url
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def is_gone(url: str) -> bool:
    """Tell whether nobody answers there any more."""
    try:
        psycopg2.connect(url).close()
    except psycopg2.OperationalError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_served_database_is_ready_for_use_until_a_signal_ends_it(number: signal.Signals) -> None:
    with serving() as (process, url):
        line = CommandLine(url)
        assert line("run", "--key", "k", "--workflow", "w", "--", "echo", "hello").text == "hello\n"
        assert line("db", "check").status == 0
        process.send_signal(number)
        answer = ended(process)
        assert answer.status == 0
        assert f"export EXEC_TRACKER_DATABASE_URL='{url}'" in answer.err
        assert is_gone(url)


def test_data_are_kept_in_a_folder_and_the_schema_is_left_alone_on_request(
    open_folder: Path,
) -> None:
    data = str(open_folder / "database")
    with serving("--data", data, "--no-upgrade") as (process, url):
        line = CommandLine(url)
        assert line("db", "current").status == 1
        assert line("db", "upgrade").status == 0
        line("run", "--key", "k", "--workflow", "w", "true")
        process.terminate()
        assert ended(process).status == 0
    with serving("--data", data) as (_, url):
        assert [one["id"] for one in CommandLine(url)("list", "--json").json] == ["k"]


def test_a_killed_command_takes_its_server_along() -> None:
    with serving() as (process, url):
        process.kill()
        process.wait()
        assert eventually(lambda: is_gone(url), 60)


def test_a_server_that_ends_by_itself_ends_the_command(open_folder: Path) -> None:
    with serving("--data", str(open_folder / "database")) as (process, _):
        postmaster = open_folder / "database" / "cluster" / "postmaster.pid"
        os.kill(int(postmaster.read_text().split()[0]), signal.SIGQUIT)
        answer = ended(process)
        assert answer.status == 69
        assert "has ended by itself" in answer.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as somebody else")
def test_root_is_told_which_folder_keeps_the_server_out(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    process = subprocess.run(
        [sys.executable, "-m", "exec_tracker", "db", "serve", "--data", str(closed / "database")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 78
    assert process.stderr.count("\n") == 1
    assert "cannot enter" in process.stderr

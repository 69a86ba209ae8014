"""The folder of one private server: its cluster, password, log and lock."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exec_tracker.embedded.account import Account, account_for
from exec_tracker.errors import ConfigurationError, StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOG_TAIL: Final = 2_000
_READY_LINE: Final = 7
"""Where postmaster.pid says whether the server accepts connections, counted from zero."""
_PATIENCE_WITH_THE_DEAD: Final = 20.0
"""How long to wait for the end of a server whose owner died: longer than its supervisor takes."""


class DataDirectory:
    """Everything of one server lies in this folder; nothing outside it is changed."""

    def __init__(self, path: Path | None, temporary_parent: Path | None) -> None:
        self.is_temporary = path is None
        self.path = path.absolute() if path else _temporary_folder(temporary_parent)
        self.cluster = self.path / "cluster"
        self.log = self.path / "server.log"
        self._password = self.path / "password"
        self._lock = self.path / "lock"
        self.account: Account = account_for(self.cluster)

    def lock(self) -> int:
        """Take the folder for this process and return the descriptor that holds it.

        The supervisor inherits the descriptor, so the folder stays taken until the server has
        ended, also where its owner was killed.

        Raises:
            ConfigurationError: another process runs a server here, or the folder is not ours.
        """
        self._make()
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + _PATIENCE_WITH_THE_DEAD
        while not _try_lock(descriptor):
            owner = os.pread(descriptor, 20, 0).decode().strip()
            if _is_alive(owner) or time.monotonic() > deadline:
                os.close(descriptor)
                raise ConfigurationError(
                    f"{self.path} is in use by the server of process {owner or 'unknown'}: stop "
                    "it first, or choose another data directory"
                )
            time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor

    def _make(self) -> None:
        if not self.path.exists():
            self.path.mkdir(mode=0o700, parents=True)
            self._let_account_through()
        elif not self._lock.exists() and any(self.path.iterdir()):
            raise ConfigurationError(
                f"{self.path} is not empty and was not made by this launcher: choose another folder"
            )
        obstacle = self.account.obstacle(self.path)
        if obstacle:
            raise ConfigurationError(
                f"the server runs as uid {self.account.uid}, which cannot enter {obstacle}: "
                "choose a data directory under a folder that every account may enter"
            )

    def _let_account_through(self) -> None:
        if not self.account.is_current:
            self.path.chmod(0o711)  # to be passed through, not to be listed

    def initialise(self, initdb: Path, *, durable: bool) -> None:
        """Make the cluster, unless there is one; an interrupted attempt is made again.

        Raises:
            StorageError: initdb failed; its output is in the message.
        """
        if self.cluster.exists():
            self._forget_dead_server()
            return
        draft, pwfile = self.path / "cluster.new", self.path / "password.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password = secrets.token_urlsafe(24)
        _write_secret(self._password, password)
        _write_secret(pwfile, password)
        for path in (draft, pwfile):
            os.chown(path, self.account.uid, self.account.gid)
        try:
            self._run_initdb(initdb, draft, pwfile, durable=durable)
        finally:
            pwfile.unlink()
        draft.rename(self.cluster)

    def _run_initdb(self, initdb: Path, draft: Path, pwfile: Path, *, durable: bool) -> None:
        command = [str(initdb), f"--pgdata={draft}", "--username=postgres"]
        command += ["--auth=scram-sha-256", f"--pwfile={pwfile}", "--no-instructions"]
        command += ["--locale=C", "--encoding=UTF8"]
        command += [] if durable else ["--no-sync"]
        done = self._run(command)
        if done.returncode:
            raise StorageError(f"initdb failed:\n{done.stdout.decode(errors='replace').strip()}")

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        user = None if self.account.is_current else self.account.uid
        group = None if self.account.is_current else self.account.gid
        return subprocess.run(  # noqa: S603 - programs of the installation that was found
            command,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=clean_environment(),
            cwd=self.path,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )

    @property
    def password(self) -> str:
        """Return the superuser's password, which never changes over the cluster's life."""
        return self._password.read_text()

    def is_ready(self, pid: int) -> bool:
        """Tell whether the server with this process id accepts connections."""
        lines = self._pid_file_lines()
        if len(lines) <= _READY_LINE or lines[0] != str(pid):
            return False
        return lines[_READY_LINE].strip() == "ready"

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _forget_dead_server(self) -> None:
        """Remove a dead server's pid file, whose number another process may carry by now.

        PostgreSQL refuses to start then, which is common in containers, where numbers are small.
        Every server process has the cluster as its working directory, so Linux can tell.
        """
        if sys.platform != "linux" or not self._pid_file_lines():
            return
        cluster = str(self.cluster.resolve())
        if not any(_working_directory(entry) == cluster for entry in Path("/proc").glob("[0-9]*")):
            (self.cluster / "postmaster.pid").unlink()

    def log_tail(self, since: int = 0) -> str:
        """Return the end of the log, as far as it was written after the offset."""
        with self.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(since, size - _LOG_TAIL))
            return log.read().decode(errors="replace").strip()

    def remove(self) -> None:
        """Delete the folder and all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def clean_environment() -> dict[str, str]:
    """Return what server programs need, and none of the secrets that environments carry."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _temporary_folder(parent: Path | None) -> Path:
    parent = parent or Path(tempfile.gettempdir())
    return parent.resolve() / f"exec_tracker-{secrets.token_hex(8)}"


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _working_directory(process: Path) -> str | None:
    try:
        return str((process / "cwd").readlink())
    except OSError:
        return None

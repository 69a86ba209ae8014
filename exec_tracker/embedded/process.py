"""A server process behind its supervisor, as the starting process sees it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exec_tracker.embedded.cluster import DataDirectory, clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from signal import Signals

_SUPERVISOR: Final = Path(__file__).with_name("supervisor.py")
_STOP_TIMEOUT: Final = 30.0
"""Seconds for an orderly end; afterwards the supervisor is left to use force."""


class ServerProcess:
    """One run of `postgres`; it ends with this object's life line, whoever holds it and dies."""

    def __init__(
        self, directory: DataDirectory, postgres: Path, settings: Mapping[str, str], lock: int
    ) -> None:
        self._owner = os.getpid()
        command = [*_supervisor_command(directory), "--", str(postgres)]
        command += ["-D", str(directory.cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with directory.log.open("ab") as log:
            self._supervisor = subprocess.Popen(  # noqa: S603 - our own script
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=clean_environment(),
                cwd=directory.path,
                pass_fds=[lock],
                start_new_session=True,  # a terminal's Ctrl-C is for the program, not its server
            )
        assert self._supervisor.stdout is not None  # noqa: S101 - asked for above
        self.pid = int(self._supervisor.stdout.readline() or 0)

    @property
    def is_running(self) -> bool:
        """Whether the server has not ended."""
        return self._supervisor.poll() is None

    @property
    def is_ours(self) -> bool:
        """Whether this process started the server; a forked child of it did not."""
        return os.getpid() == self._owner

    def end(self, number: Signals) -> None:
        """Send the server a signal that ends it, and wait until all its processes have ended."""
        assert self._supervisor.stdin is not None  # noqa: S101 - asked for at the start
        with contextlib.suppress(BrokenPipeError):
            self._supervisor.stdin.write(bytes([number]))
            self._supervisor.stdin.flush()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._supervisor.wait(_STOP_TIMEOUT)
        self.abandon()

    def abandon(self) -> None:
        """Close the life line, which ends a server that is still there, and wait for that."""
        with contextlib.suppress(BrokenPipeError):
            self._supervisor.__exit__(None, None, None)


def _supervisor_command(directory: DataDirectory) -> list[str]:
    command = [sys.executable, "-I", "-S", str(_SUPERVISOR), f"--parent={os.getpid()}"]
    if not directory.account.is_current:
        command += [f"--uid={directory.account.uid}", f"--gid={directory.account.gid}"]
    if directory.is_temporary:
        command += [f"--remove={directory.path}"]
    return command

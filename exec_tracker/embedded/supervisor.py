"""A small process that owns one server, so that the server never outlives who started it.

Run as a script, on the standard library alone. It stands between the starting process and
`postgres` because the kernel's death signal is bound to the *thread* that started a child, which
may end early; here that thread is the only one, and lives as long as the server.

Its standard input is the life line: every byte is the number of a signal for the server, and its
end means that the starting process is gone, however it died. It prints the server's process id.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_LOOK_AROUND: Final = 1.0
"""Seconds between looks at the parent: forked children of it may hold the life line open."""
_PATIENCE: Final = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, None))
"""How an abandoned server is ended: fast shutdown, immediate shutdown, kill."""


def main() -> int:
    """Start the server, serve the life line until the server has ended, leave nothing behind."""
    options = _parse_arguments()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # a starting thread may have blocked some
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wake = _wake_on_signals()
    server = _start(options)
    sys.stdout.write(f"{server.pid}\n")
    sys.stdout.flush()
    abandoned = _serve(server, wake, options.parent)
    _reap_orphans()
    if abandoned and options.remove:
        shutil.rmtree(options.remove, ignore_errors=True)
    return 0 if server.returncode == 0 else 1


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--remove", help="folder to delete when the starting process is gone")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def _start(options: argparse.Namespace) -> subprocess.Popen[bytes]:
    account: dict[str, Any] = {}
    if options.uid is not None:
        account = {"user": options.uid, "group": options.gid, "extra_groups": []}
    return subprocess.Popen(  # noqa: S603 - the command comes from the launcher
        options.command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=sys.stderr,
        # Runs after the change of account, which clears the death signal; there are no threads.
        preexec_fn=_dying_with(os.getpid()),  # noqa: PLW1509
        **account,
    )


def _dying_with(parent: int) -> Callable[[], None]:
    def set_death_signal() -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
        if os.getppid() != parent:  # the parent died before the signal was asked for
            os._exit(1)
        # Python ignores or handles these; the server wants the defaults.
        for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)

    return set_death_signal


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _wake_on_signals() -> int:
    """Return a descriptor that becomes readable at every signal, with the signal's number."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return readable


def _serve(server: subprocess.Popen[bytes], wake: int, parent: int) -> bool:
    """Pass signals on until the server has ended; tell whether its owner had abandoned it."""
    life_line = sys.stdin.fileno()
    while server.poll() is None:
        ready, _, _ = select.select([life_line, wake], [], [], _LOOK_AROUND)
        told_to_end = wake in ready and set(os.read(wake, 64)) - {signal.SIGCHLD}
        command = os.read(life_line, 1) if life_line in ready else None
        if told_to_end or command == b"" or os.getppid() != parent:
            _end(server)
            return True
        if command:
            server.send_signal(command[0])
    return os.getppid() != parent


def _end(server: subprocess.Popen[bytes]) -> None:
    for number, patience in _PATIENCE:
        server.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(patience)
            return


def _reap_orphans() -> None:
    """Wait for the server's children, which are ours since it died; end those that linger.

    While one of them lives, its shared memory keeps a new server from starting.
    """
    while True:
        with contextlib.suppress(OSError):
            for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
        except ChildProcessError:
            return


if __name__ == "__main__":
    sys.exit(main())

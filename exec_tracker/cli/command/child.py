"""Run one command: its output goes to ours as it comes, and its beginning is kept."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING, Final

from exec_tracker.cli.command.outcome import CommandOutcome, KeptOutput
from exec_tracker.cli.statuses import ExitStatus
from exec_tracker.errors import ExecTrackerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exec_tracker.cli.command.signals import SignalRelay

__all__ = [
    "CommandEndedError",
    "CommandFailedError",
    "CommandInterruptedError",
    "CommandNotStartedError",
    "run_command",
]

_CHUNK: Final = 65536
_POLL: Final = 0.1
_SILENCE: Final = 1.0
"""Something that the command left running may keep its pipes open for ever; so long we listen."""


class CommandEndedError(ExecTrackerError):
    """The command came to no outcome that stands."""

    def __init__(self, message: str, status: int) -> None:
        """Carry the status to exit with."""
        super().__init__(message)
        self.status = status


class CommandNotStartedError(CommandEndedError):
    """The command could not be started; nothing has happened."""


class CommandFailedError(CommandEndedError):
    """The command ended with a status that may be retried."""


class CommandInterruptedError(CommandEndedError):
    """A signal ended the command; nobody knows how far it came."""


class _Copy:
    """One stream of the command: passed on in full, its beginning kept."""

    def __init__(self, source: IO[bytes], sink: IO[bytes] | None, limit: int) -> None:
        self.source = source
        self._sink = sink
        self._limit = limit
        self._kept = bytearray()
        self._total = 0

    def take(self) -> bool:
        """Take what has come; False at the end."""
        data = os.read(self.source.fileno(), _CHUNK)
        self._total += len(data)
        self._kept += data[: self._limit - len(self._kept)]
        self._show(data)
        return bool(data)

    def _show(self, data: bytes) -> None:
        if self._sink is None:
            return
        try:
            self._sink.write(data)
            self._sink.flush()
        except OSError:
            # Whoever reads our output has gone: that must not end the command half-way.
            self._sink = None

    @property
    def kept(self) -> KeptOutput:
        """What is stored."""
        return KeptOutput.of(bytes(self._kept), self._total)


def run_command(
    command: Sequence[str],
    *,
    signals: SignalRelay,
    environment: Mapping[str, str],
    max_output: int,
) -> CommandOutcome:
    """Run a command to its end, with our standard input, and return its outcome.

    Raises CommandNotStartedError, and CommandInterruptedError where a signal ended it or came to
    us while it ran.
    """
    sinks = [getattr(stream, "buffer", None) for stream in (sys.stdout, sys.stderr)]
    process = signals.start(lambda: _start(command, environment))
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    assert process.stderr is not None  # noqa: S101 - a pipe was asked for
    with process.stdout, process.stderr:
        out = _Copy(process.stdout, sinks[0], max_output)
        err = _Copy(process.stderr, sinks[1], max_output)
        _copy(process, [out, err])
        status = process.wait()
    signals.ended()
    if signals.interrupted_by is not None:
        raise _interrupted("exec-tracker was sent", signals.interrupted_by)
    if status < 0:
        raise _interrupted("the command was ended by", -status)
    return CommandOutcome(exit_status=status, stdout=out.kept, stderr=err.kept)


def _start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - running a given command is the purpose
            list(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )
    except FileNotFoundError:
        raise CommandNotStartedError(
            f"{command[0]}: command not found; nothing was run, so call again once it is there",
            ExitStatus.COMMAND_NOT_FOUND,
        ) from None
    except OSError as exc:
        raise CommandNotStartedError(
            f"{command[0]}: cannot be run: {exc.strerror}; nothing was run, so call again once it "
            "can be",
            ExitStatus.NOT_EXECUTABLE,
        ) from None


def _copy(process: subprocess.Popen[bytes], copies: list[_Copy]) -> None:
    heard = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for copy in copies:
            selector.register(copy.source, selectors.EVENT_READ, copy)
        while selector.get_map():
            ready = selector.select(_POLL)
            for key, _ in ready:
                if not key.data.take():
                    selector.unregister(key.fileobj)
            now = time.monotonic()
            if ready or process.poll() is None:
                heard = now
            elif now - heard > _SILENCE:
                return


def _interrupted(what: str, number: int) -> CommandInterruptedError:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return CommandInterruptedError(
        f"{what} {name}: nobody knows how far the command came",
        ExitStatus.of_signal(number),
    )

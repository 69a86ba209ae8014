"""Pass signals on to the command that runs, and remember that they came."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import Popen

__all__ = ["SignalRelay"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalRelay:
    """While its with block lasts, a signal goes to the command instead of ending us.

    Before the command starts it raises KeyboardInterrupt, so that the claim is given up. While the
    command runs it is passed on. After the command's end the first is put off until its outcome is
    stored; a second one raises.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.interrupted_by: int | None = None
        """The first signal that came while the command ran."""
        self._child: Popen[bytes] | None = None
        self._started = False
        self._ended = False
        self._before: list[tuple[signal.Signals, Any]] = []

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:  # nohup and shells' background jobs mean it
                signal.signal(number, self._receive)
                self._before.append((number, before))
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before:
            signal.signal(number, before)

    def start(self, start: Callable[[], Popen[bytes]]) -> Popen[bytes]:
        """Start the command; a signal that comes meanwhile is passed on as soon as it runs."""
        self._started = True
        try:
            self._child = start()
        except BaseException:
            self._started = False
            raise
        if self.interrupted_by is not None:
            self._pass_on(self.interrupted_by)
        return self._child

    def ended(self) -> None:
        """Note that the command has ended."""
        self._child = None
        self._ended = True

    def _receive(self, number: int, _frame: object) -> None:
        first = self.received is None
        self.received = self.received or number
        if self._started and not self._ended:
            self.interrupted_by = self.interrupted_by or number
            self._pass_on(number)
        elif not (self._ended and first):
            raise KeyboardInterrupt

    def _pass_on(self, number: int) -> None:
        if self._child is not None and not _reached_it_already(number):
            self._child.send_signal(number)


def _reached_it_already(number: int) -> bool:
    """Tell whether the keyboard sent it: then it went to the whole group in the foreground."""
    if number != signal.SIGINT:
        return False
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)

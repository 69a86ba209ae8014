"""The exit statuses of `exec-tracker`, which scripts may rely on."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitStatus"]


class ExitStatus(IntEnum):
    """What a status says; the numbers from 65 to 78 are those of sysexits.h.

    `run` and `retry` otherwise end with the status of the command they ran or replayed.
    """

    OK = 0
    FAILED = 1
    """The answer is no: a stored failure, a schema that differs, a demo that did not hold."""
    USAGE = 2
    DATA = 65
    """The input cannot be used, or does not fit what is stored under the key."""
    NOT_FOUND = 66
    NO_USER = 67
    UNAVAILABLE = 69
    """The database cannot be used; nothing is known to be wrong with the request."""
    INTERNAL = 70
    IN_PROGRESS = 75
    """Somebody else is running it: try again later."""
    ABANDONED = 76
    """Nobody knows whether it happened: somebody must decide."""
    CONFIGURATION = 78
    """No database is configured, or its schema does not fit."""
    NOT_EXECUTABLE = 126
    COMMAND_NOT_FOUND = 127
    INTERRUPTED = 130
    BROKEN_PIPE = 141

    @classmethod
    def of_signal(cls, number: int) -> int:
        """Return the status of what a signal ended, as shells give it."""
        return 128 + number

"""Turn what the tracker raises into sentences that a client may read."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from mcp.server.mcpserver.exceptions import ToolError

from exec_tracker import errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_log = logging.getLogger("exec_tracker")

_AWAY = (
    "The database behind this server cannot be used for the moment. Nothing is wrong with the "
    "request: repeat it later, with the same key."
)
_BROKEN = "This server cannot answer that; its operator finds the reason in its log."
_SENTENCES: Final[Mapping[type[Exception], str]] = {
    errors.UnknownUserError: "The database behind this server does not know this user.",
    errors.ExecutionNotFoundError: "The execution was deleted meanwhile, and nothing was run.",
    errors.LeaseLostError: (
        "It ran, but somebody else decided about it meanwhile: execution_status tells how."
    ),
}


def unknown(key: str) -> ToolError:
    """Say that there is nothing; of another's execution the same is said."""
    return ToolError(f"There is no execution with the key {key!r}.")


@contextmanager
def readable_errors() -> Iterator[None]:
    """Raise what a client may read instead of what the tracker raises.

    Errors of the database name hosts and statements: they go to the log, and not to the client.
    """
    try:
        yield
    except errors.ExecTrackerError as error:
        raise readable(error) from error


def readable(error: errors.ExecTrackerError) -> ToolError:
    """Return the sentence for an error of the tracker's own."""
    match error:
        case errors.InvalidIdempotencyKeyError():
            return ToolError(str(error))
        case errors.IdempotencyKeyReusedError():
            return ToolError(_reused(error.differs))
        case errors.TransientStorageError():
            _log.warning("the database cannot be used: %s", error)
            return ToolError(_AWAY)
    for kind, sentence in _SENTENCES.items():
        if isinstance(error, kind):
            return ToolError(sentence)
    _log.error("a tool call failed", exc_info=error)
    return ToolError(_BROKEN)


def _reused(differs: str | None) -> str:
    match differs:
        case "parameters":
            what = "with other arguments"
        case "workflow_id":
            what = "for another tool"
        case _:
            what = "for another request"
    return f"The key was first used {what}: take a new key for a new request."

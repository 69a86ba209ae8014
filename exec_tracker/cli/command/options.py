"""The options of `exec-tracker run` and `retry`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

import typer

from exec_tracker.cli.options import duration

__all__ = [
    "DEFAULT_LEASE",
    "DEFAULT_OUTPUT",
    "FOR_EVER",
    "MAX_RESULT",
    "Command",
    "HideCommand",
    "Lease",
    "MaxOutput",
    "NewKey",
    "RetryOnFailure",
    "ThisWorkflow",
    "Wait",
    "WaitTimeout",
    "Whose",
]

DEFAULT_LEASE: Final = timedelta(seconds=60)
FOR_EVER: Final = timedelta(days=36500)
DEFAULT_OUTPUT: Final = 1024 * 1024
_MOST_OUTPUT: Final = 10 * 1024 * 1024
MAX_RESULT: Final = 160 * 1024 * 1024
"""Two streams of control characters, escaped as JSON at six bytes each, still fit."""

Command = Annotated[
    list[str],
    typer.Argument(metavar="COMMAND", help="What to run, after --.", show_default=False),
]
NewKey = Annotated[
    str,
    typer.Option(
        "--key", metavar="KEY", help="The idempotency key: what must happen once has one."
    ),
]
ThisWorkflow = Annotated[
    str, typer.Option("--workflow", metavar="NAME", help="The name of this kind of work.")
]
Whose = Annotated[
    UUID | None,
    typer.Option(
        "--user",
        metavar="UUID",
        help="Whose execution it is; on a standalone database there is a local user.",
    ),
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Where it is in progress elsewhere, wait for its outcome.")
]
WaitTimeout = Annotated[
    timedelta,
    typer.Option(
        "--wait-timeout",
        parser=duration,
        metavar="DURATION",
        help="Wait at most so long; otherwise for ever.",
        show_default=False,
    ),
]
RetryOnFailure = Annotated[
    bool,
    typer.Option(
        "--retry-on-failure",
        help="Take a non-zero exit status for a failure, which the next call tries again.",
    ),
]
HideCommand = Annotated[
    bool,
    typer.Option(
        "--hide-command", help="Keep the command line out of the database; it still must match."
    ),
]
Lease = Annotated[
    timedelta,
    typer.Option(
        "--lease",
        parser=duration,
        metavar="DURATION",
        help="How long after this process's last sign of life the execution is abandoned: 60s.",
        show_default=False,
    ),
]
MaxOutput = Annotated[
    int,
    typer.Option(
        "--max-output",
        metavar="BYTES",
        min=0,
        max=_MOST_OUTPUT,
        help="How much of each output stream is kept.",
    ),
]

"""The options of `exec-tracker demo`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from exec_tracker.cli.demo.messages import Moment
from exec_tracker.cli.options import duration

__all__ = [
    "Effects",
    "Input",
    "Kill",
    "KillAt",
    "Lease",
    "Run",
    "Times",
    "Upgrade",
    "Whose",
    "Workers",
]

Input = Annotated[
    Path | None,
    typer.Option(
        "--input",
        metavar="FILE",
        help="Lines of JSON with delivery, event and payload, gzipped or not; else a sample.",
    ),
]
Workers = Annotated[
    int, typer.Option("--workers", metavar="N", min=1, max=32, help="Processes at once.")
]
Times = Annotated[
    int,
    typer.Option(
        "--times", metavar="N", min=1, help="How often each process delivers each delivery."
    ),
]
Kill = Annotated[
    bool, typer.Option("--kill/--no-kill", help="Kill a process in the middle of an effect.")
]
KillAt = Annotated[Moment, typer.Option("--kill-at", help="Where in the middle.")]
Lease = Annotated[
    timedelta,
    typer.Option(
        "--lease",
        parser=duration,
        metavar="DURATION",
        help="The lease of a claim: 2s.",
        show_default=False,
    ),
]
Effects = Annotated[
    Path | None,
    typer.Option(
        "--effects", metavar="FILE", help="The file that effects go to, kept; else temporary."
    ),
]
Run = Annotated[
    str | None,
    typer.Option("--run", metavar="NAME", help="In front of all keys; one used before goes on."),
]
Whose = Annotated[
    UUID | None, typer.Option("--user", metavar="UUID", help="Whose executions these are.")
]
Upgrade = Annotated[
    bool, typer.Option("--upgrade", help="Upgrade the configured database's schema first.")
]

"""`watch`: follow one execution until it ends."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.live import Live

from exec_tracker.cli import tables
from exec_tracker.cli.connecting import tracking
from exec_tracker.cli.faults import CommandLineError
from exec_tracker.cli.looking import found
from exec_tracker.cli.options import AsJson, DatabaseUrl, Key, Schema, duration
from exec_tracker.cli.output import answers
from exec_tracker.cli.statuses import ExitStatus
from exec_tracker.types import Execution, ExecutionStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exec_tracker.tracker import ExecutionTracker

__all__ = ["watch"]

_PERIOD: Final = timedelta(seconds=0.5)


def watch(
    key: Key,
    *,
    every: Annotated[
        timedelta,
        typer.Option(
            "--every",
            parser=duration,
            metavar="DURATION",
            help="How often to look: 500ms.",
            show_default=False,
        ),
    ] = _PERIOD,
    timeout: Annotated[
        timedelta | None,
        typer.Option(
            "--timeout", parser=duration, metavar="DURATION", help="Give up after so long."
        ),
    ] = None,
    url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Follow an execution until it is completed, failed or abandoned."""
    with tracking(url, schema) as tracker:
        looks = _looks(tracker, key, every.total_seconds(), timeout)
        execution = _lines(looks, _as_json) if as_json else _shown(looks)
    raise typer.Exit(_status(execution))


def _looks(
    tracker: ExecutionTracker, key: str, every: float, timeout: timedelta | None
) -> Iterator[Execution]:
    """Give a snapshot every so often; the last one is the ending."""
    deadline = None if timeout is None else time.monotonic() + timeout.total_seconds()
    while True:
        execution = found(tracker, key)
        yield execution
        if execution.is_ended or execution.is_abandoned:
            return
        if deadline is not None and time.monotonic() >= deadline:
            raise CommandLineError(
                f"execution {key!r} is still {execution.status}; watch it again later",
                ExitStatus.IN_PROGRESS,
            )
        time.sleep(every)


def _shown(looks: Iterator[Execution]) -> Execution:
    console = answers()
    if not console.is_terminal:
        return _lines(looks, lambda one: f"{one.id}\t{tables.status(one)}\tattempt {one.attempt}")
    execution = next(looks)
    with Live(tables.one(execution), console=console, auto_refresh=False) as live:
        for execution in looks:
            live.update(tables.one(execution), refresh=True)
    return execution


def _lines(looks: Iterator[Execution], line: Callable[[Execution], str]) -> Execution:
    """Print a line whenever something has changed."""
    last = None
    for execution in looks:
        state = (execution.status, execution.attempt, execution.is_abandoned)
        if state != last:
            sys.stdout.write(line(execution) + "\n")
            sys.stdout.flush()
        last = state
    return execution


def _as_json(execution: Execution) -> str:
    return execution.model_dump_json()


def _status(execution: Execution) -> ExitStatus:
    if execution.is_abandoned:
        return ExitStatus.ABANDONED
    completed = execution.status is ExecutionStatus.COMPLETED
    return ExitStatus.OK if completed else ExitStatus.FAILED

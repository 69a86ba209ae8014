"""`resolve` and `reset`: say what became of an execution that nobody knows about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from exec_tracker.cli.connecting import tracking
from exec_tracker.cli.faults import CommandLineError
from exec_tracker.cli.options import AsJson, DatabaseUrl, Key, Schema
from exec_tracker.cli.output import print_json, say
from exec_tracker.cli.statuses import ExitStatus

if TYPE_CHECKING:
    from exec_tracker.types import Execution

__all__ = ["reset", "resolve"]


def resolve(
    key: Key,
    *,
    result: Annotated[
        str | None,
        typer.Option(
            "--result",
            metavar="JSON",
            help="It happened: complete it with this, as the function would have returned it; its "
            "shape is not checked against the function's type.",
        ),
    ] = None,
    error: Annotated[
        str | None,
        typer.Option("--error", metavar="TEXT", help="It did not, or not to the end: fail it."),
    ] = None,
    no_retry: Annotated[
        bool, typer.Option("--no-retry", help="With --error: the next call must not run it.")
    ] = False,
    url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Decide an abandoned execution by evidence: what it came to, or why it failed."""
    if (result is None) == (error is None):
        raise CommandLineError("give either --result or --error, and not both", ExitStatus.USAGE)
    with tracking(url, schema) as tracker:
        if error is not None:
            decided = tracker.resolve(key, error=error, retryable=not no_retry)
        else:
            decided = tracker.resolve(key, result=_parsed(result or ""))
    _tell(decided, as_json=as_json)


def reset(
    key: Key, *, url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False
) -> None:
    """Make a failed or abandoned execution pending, so that the next call runs it."""
    with tracking(url, schema) as tracker:
        decided = tracker.reset(key)
    _tell(decided, as_json=as_json)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise CommandLineError(
            f"--result: not JSON: {exc}; text needs its own quotes, as in --result '\"sent\"'"
        ) from None


def _tell(execution: Execution, *, as_json: bool) -> None:
    if as_json:
        print_json(execution)
    else:
        say(f"execution {execution.id!r} is {execution.status} now")

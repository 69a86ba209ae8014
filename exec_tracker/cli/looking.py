"""`show`, `attempts`, `list` and `abandoned`: look at what is stored, and change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from exec_tracker.cli import tables
from exec_tracker.cli.connecting import tracking
from exec_tracker.cli.options import AsJson, DatabaseUrl, Key, Limit, Schema, User, Workflow
from exec_tracker.cli.output import answers, print_json, say
from exec_tracker.errors import ExecutionNotFoundError
from exec_tracker.types import Execution, ExecutionStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exec_tracker.tracker import ExecutionTracker

__all__ = ["abandoned", "attempts", "found", "list_executions", "show"]

_Status = Annotated[ExecutionStatus | None, typer.Option("--status", help="Only in this status.")]


def show(
    key: Key, *, url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False
) -> None:
    """Show one execution, with its result or error."""
    with tracking(url, schema) as tracker:
        execution = found(tracker, key)
    if as_json:
        print_json(execution)
    else:
        answers().print(tables.one(execution))


def attempts(
    key: Key, *, url: DatabaseUrl = None, schema: Schema = None, as_json: AsJson = False
) -> None:
    """List the attempts of one execution that failed or were abandoned, oldest first."""
    with tracking(url, schema) as tracker:
        found(tracker, key)
        history = tracker.get_attempts(key)
    if as_json:
        print_json(history)
    elif history:
        answers().print(tables.attempts(history))
    else:
        say(f"no attempt at execution {key!r} has failed or been abandoned")


def list_executions(
    *,
    status: _Status = None,
    workflow: Workflow = None,
    user: User = None,
    limit: Limit = 50,
    url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """List executions, newest first."""
    with tracking(url, schema) as tracker:
        executions = tracker.list_executions(
            limit=limit, status=status, workflow_id=workflow, user_id=user
        )
    _print(executions, limit, as_json=as_json)


def abandoned(
    *,
    workflow: Workflow = None,
    user: User = None,
    limit: Limit = 50,
    url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """List executions of which nobody knows whether they happened, newest first."""
    with tracking(url, schema) as tracker:
        executions = tracker.find_abandoned(limit=limit, workflow_id=workflow, user_id=user)
    _print(executions, limit, as_json=as_json)


def found(tracker: ExecutionTracker, key: str) -> Execution:
    """Return an execution that must be there, or raise ExecutionNotFoundError."""
    execution = tracker.get_execution(key)
    if execution is None:
        raise ExecutionNotFoundError(f"there is no execution with id {key!r}")
    return execution


def _print(executions: Sequence[Execution], limit: int, *, as_json: bool) -> None:
    if as_json:
        print_json(executions)
        return
    if not executions:
        say("no execution matches")
        return
    console = answers()
    table, left_out = tables.fitting(executions, console)
    console.print(table)
    if left_out:
        say(f"no room for {', '.join(left_out)}: `--json` or a wider terminal shows them")
    if len(executions) == limit:
        say(f"these are the newest {limit}; --limit shows more")

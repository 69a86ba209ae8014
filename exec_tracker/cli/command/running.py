"""The commands `run` and `retry`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from exec_tracker.cli.command import options as on
from exec_tracker.cli.command.executing import Request, execute
from exec_tracker.cli.command.outcome import argument_json, argument_text
from exec_tracker.cli.command.signals import SignalRelay
from exec_tracker.cli.connecting import connected, local_user
from exec_tracker.cli.faults import CommandLineError
from exec_tracker.cli.options import DatabaseUrl, Key, Schema
from exec_tracker.errors import ExecutionNotFoundError
from exec_tracker.tracker import ExecutionTracker
from exec_tracker.types import ExecuteOptions, Execution, ExecutionStatus

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy import Engine

__all__ = ["retry", "run"]


def run(
    *,
    command: on.Command,
    key: on.NewKey,
    workflow: on.ThisWorkflow,
    user: on.Whose = None,
    wait: on.Wait = False,
    wait_timeout: on.WaitTimeout = on.FOR_EVER,
    retry_on_failure: on.RetryOnFailure = False,
    hide_command: on.HideCommand = False,
    lease: on.Lease = on.DEFAULT_LEASE,
    max_output: on.MaxOutput = on.DEFAULT_OUTPUT,
    url: DatabaseUrl = None,
    schema: Schema = None,
) -> None:
    """Run a command once per key; a second call prints its stored output and exits as it did."""
    with SignalRelay() as signals, connected(url) as engine:
        tracker = _tracker(engine, schema, lease)
        request = Request(
            options=ExecuteOptions(
                idempotency_key=key,
                workflow_id=workflow,
                user_id=user or local_user(engine, tracker, schema),
                parameters={"command": [argument_json(one) for one in command]},
                redacted_fields=frozenset({"command"} if hide_command else ()),
            ),
            command=command,
            wait_timeout=wait_timeout if wait else None,
            retry_on_failure=retry_on_failure,
            max_output=max_output,
        )
        raise typer.Exit(execute(tracker, request, signals))


def retry(
    key: Key,
    *,
    retry_on_failure: on.RetryOnFailure = False,
    lease: on.Lease = on.DEFAULT_LEASE,
    max_output: on.MaxOutput = on.DEFAULT_OUTPUT,
    url: DatabaseUrl = None,
    schema: Schema = None,
) -> None:
    """Run a failed or abandoned execution's stored command again, be it for the second time."""
    with SignalRelay() as signals, connected(url) as engine:
        tracker = _tracker(engine, schema, lease)
        execution = tracker.get_execution(key)
        if execution is None:
            raise ExecutionNotFoundError(f"there is no execution with id {key!r}")
        command = _stored_command(execution)
        request = Request(
            options=ExecuteOptions(
                idempotency_key=key,
                workflow_id=execution.workflow_id,
                user_id=execution.user_id,
                parameters=execution.parameters,
            ),
            command=command,
            on_abandoned="retry",
            retry_on_failure=retry_on_failure,
            max_output=max_output,
        )
        raise typer.Exit(execute(tracker, request, signals))


def _tracker(engine: Engine, schema: str | None, lease: timedelta) -> ExecutionTracker:
    return ExecutionTracker(engine, schema=schema, lease=lease, max_result_bytes=on.MAX_RESULT)


def _stored_command(execution: Execution) -> list[str]:
    if execution.status is ExecutionStatus.COMPLETED:
        raise CommandLineError(
            f"execution {execution.id!r} is completed, so there is nothing to retry; `show` tells "
            "its outcome"
        )
    stored = (execution.parameters or {}).get("command")
    if not stored or not isinstance(stored, list):
        raise CommandLineError(
            f"execution {execution.id!r} has no stored command: `reset` it, and call again what "
            "runs it"
        )
    return [argument_text(one) for one in stored]

"""Executions and attempts as tables for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from rich.box import SIMPLE
from rich.table import Column, Table
from rich.text import Text

from exec_tracker.cli.output import moment, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exec_tracker.types import Execution, ExecutionAttempt

__all__ = ["attempts", "many", "one", "status"]

_LONG: Final = frozenset({"id", "workflow", "error"})
_STYLES: Final[Mapping[str, str]] = {
    "pending": "cyan",
    "running": "yellow",
    "completed": "green",
    "failed": "red",
    "abandoned": "bold red",
}


def status(execution: Execution) -> Text:
    """Return the status in its colour, with what only the lease tells."""
    word = str(execution.status)
    if execution.is_abandoned:
        return Text(f"{word}, abandoned", style=_STYLES["abandoned"])
    return Text(word, style=_STYLES[word])


def _whole(name: str) -> Column:
    """Return a column whose cells are never cut, and folded only where they may be long."""
    return Column(name, overflow="fold", no_wrap=name not in _LONG)


def many(executions: Sequence[Execution]) -> Table:
    """Return a list of executions."""
    names = ("id", "workflow", "status", "attempt", "created", "ended")
    table = Table(*map(_whole, names), box=SIMPLE)
    for execution in executions:
        table.add_row(
            shown(execution.id),
            shown(execution.workflow_id),
            status(execution),
            str(execution.attempt),
            moment(execution.created_at, short=True),
            moment(execution.completed_at, short=True),
        )
    return table


def one(execution: Execution) -> Table:
    """Return everything that is known about one execution."""
    table = Table.grid(padding=(0, 2))
    for name, value in _fields(execution):
        if value.plain:
            table.add_row(Text(name, style="bold"), value)
    return table


def _fields(execution: Execution) -> list[tuple[str, Text]]:
    completed = execution.status == "completed" and execution.erased_at is None
    return [
        ("id", shown(execution.id)),
        ("workflow", shown(execution.workflow_id)),
        ("name", shown(execution.workflow_name)),
        ("user", shown(str(execution.user_id))),
        ("actor", shown(execution.actor)),
        ("status", status(execution)),
        ("attempt", Text(str(execution.attempt))),
        ("created", moment(execution.created_at)),
        ("started", moment(execution.started_at)),
        ("ended", moment(execution.completed_at)),
        ("lease until", moment(execution.lease_expires_at)),
        ("retry at", moment(execution.retry_at)),
        ("erased", moment(execution.erased_at)),
        ("error", shown(execution.error_message)),
        ("parameters", _json(execution.parameters) if execution.parameters else Text()),
        ("result", _json(execution.result) if completed else Text()),
    ]


def _json(value: Any) -> Text:
    return shown(json.dumps(value, indent=2, ensure_ascii=False))


def attempts(history: Sequence[ExecutionAttempt]) -> Table:
    """Return the attempts of one execution."""
    names = ("attempt", "outcome", "started", "ended", "error")
    table = Table(*map(_whole, names), box=SIMPLE)
    for attempt in history:
        error = attempt.error or {}
        message = str(error.get("message") or error.get("type") or "")
        table.add_row(
            str(attempt.attempt),
            shown(attempt.outcome, _STYLES[attempt.outcome]),
            moment(attempt.started_at, short=True),
            moment(attempt.ended_at, short=True),
            shown(message),
        )
    return table

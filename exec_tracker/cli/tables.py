"""Executions and attempts as tables for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from rich.box import SIMPLE
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from exec_tracker.cli.output import moment, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console

    from exec_tracker.types import Execution, ExecutionAttempt

__all__ = ["attempts", "fitting", "many", "one", "status"]

_LONG: Final = frozenset({"error"})
# What `show` tells better, in the order in which a narrow terminal does without it.
_DISPENSABLE: Final = ("ended", "attempt", "created", "workflow")
# Wider than any table: ids and workflows have at most 300 characters.
_ROOM: Final = 1000
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


_CELLS: Final[Mapping[str, Callable[[Execution], Text]]] = {
    "id": lambda one: shown(one.id),
    "workflow": lambda one: shown(one.workflow_id),
    "status": status,
    "attempt": lambda one: Text(str(one.attempt)),
    "created": lambda one: moment(one.created_at, short=True),
    "ended": lambda one: moment(one.completed_at, short=True),
}


def _whole(name: str) -> Column:
    """Return a column whose cells are never cut, and folded only where they may be long."""
    return Column(name, overflow="fold", no_wrap=name not in _LONG)


def many(executions: Sequence[Execution], left_out: Sequence[str] = ()) -> Table:
    """Return a list of executions. An id is never folded: it is there to be copied."""
    names = [name for name in _CELLS if name not in left_out]
    table = Table(*(Column(name, no_wrap=True) for name in names), box=SIMPLE)
    for execution in executions:
        table.add_row(*(_CELLS[name](execution) for name in names))
    return table


def fitting(executions: Sequence[Execution], console: Console) -> tuple[Table, Sequence[str]]:
    """Return a list with as many columns as the console has room for, and those left out.

    Where not even an id has room, the console is widened: a terminal that has to fold a line copies
    it whole, and a table that folds does not.
    """
    for count in range(len(_DISPENSABLE) + 1):
        left_out = _DISPENSABLE[:count]
        table = many(executions, left_out)
        width = Measurement.get(console, console.options.update(max_width=_ROOM), table).maximum
        if width <= console.width:
            break
    else:
        console.width = width
    return table, left_out


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

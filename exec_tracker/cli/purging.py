"""`purge`: delete what ended long ago, in short batches."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import func, select

from exec_tracker.cli.connecting import connected
from exec_tracker.cli.options import AsJson, DatabaseUrl, Schema, duration
from exec_tracker.cli.output import notes, print_json, say
from exec_tracker.database import Database
from exec_tracker.models import WorkflowExecution
from exec_tracker.repository import ExecutionRepository

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["purge"]


class _Ended(StrEnum):
    """What may be purged: what has ended."""

    COMPLETED = "completed"
    FAILED = "failed"


def purge(
    *,
    older_than: Annotated[
        timedelta,
        typer.Option(
            "--older-than",
            parser=duration,
            metavar="DURATION",
            help="How long ago it ended, as in 30d.",
        ),
    ],
    status: Annotated[
        list[_Ended] | None,
        typer.Option(
            "--status", metavar="STATUS", help="completed (if none is given), failed, or both."
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", metavar="N", min=1, help="How many are deleted at once.")
    ] = 1000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")] = False,
    url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Delete executions that ended long ago, with their history; their keys are free again."""
    statuses = sorted({str(one) for one in status or (_Ended.COMPLETED,)})
    with connected(url) as engine:
        due = _count(engine, schema, older_than, statuses)
        database = Database(engine, schema)
        gone = 0 if dry_run else _purge(database, older_than, statuses, batch_size, due)
    if as_json:
        print_json({"due": due, "purged": gone, "statuses": statuses, "dry_run": dry_run})
    elif dry_run:
        say(f"{due:,} executions would be purged; repeat without --dry-run to do it")
    else:
        say(f"{gone:,} executions purged")


def _count(engine: Engine, schema: str | None, older_than: timedelta, statuses: list[str]) -> int:
    row = WorkflowExecution
    cutoff = func.clock_timestamp() - older_than
    due = select(func.count()).where(
        row.status.in_(statuses), row.created_at < cutoff, row.completed_at < cutoff
    )
    with engine.connect().execution_options(schema_translate_map={None: schema}) as connection:
        counted: int = connection.execute(due).scalar_one()
        return counted


def _purge(
    database: Database, older_than: timedelta, statuses: list[str], batch_size: int, due: int
) -> int:
    gone = 0
    columns = (TextColumn("purging"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = notes()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("purging", total=due)
        while True:
            batch: int = database.ask(ExecutionRepository.purge, older_than, statuses, batch_size)
            gone += batch
            bar.update(task, completed=gone, total=max(due, gone))
            if batch < batch_size:
                return gone

"""`exec-tracker demo`: webhooks delivered many times, by processes that die, each done once."""

from __future__ import annotations

import secrets
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from exec_tracker.cli.connecting import connected, local_user
from exec_tracker.cli.demo import options as on
from exec_tracker.cli.demo import report
from exec_tracker.cli.demo.deliveries import SAMPLE, check_run, read_deliveries
from exec_tracker.cli.demo.effects import EffectsFile
from exec_tracker.cli.demo.messages import Assignment, Moment
from exec_tracker.cli.demo.performance import Performance
from exec_tracker.cli.demo.stage import stage
from exec_tracker.cli.demo.tally import Tally
from exec_tracker.cli.options import AsJson, DatabaseUrl, Schema
from exec_tracker.cli.output import answers, notes, print_json
from exec_tracker.cli.statuses import ExitStatus
from exec_tracker.tracker import ExecutionTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

__all__ = ["demo"]

_LEASE: Final = timedelta(seconds=2)
"""Short, so that the death of a process is noticed while one watches."""


def demo(
    *,
    source: on.Input = None,
    workers: on.Workers = 4,
    times: on.Times = 3,
    kill: on.Kill = True,
    kill_at: on.KillAt = Moment.AFTER,
    lease: on.Lease = _LEASE,
    effects: on.Effects = None,
    run: on.Run = None,
    user: on.Whose = None,
    upgrade: on.Upgrade = False,
    url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Deliver webhooks many times by several processes, kill one, and count the effects."""
    began = time.monotonic()
    source = source or SAMPLE
    run = check_run(run or f"demo-{secrets.token_hex(4)}")
    deliveries = read_deliveries(source)
    tally = Tally(len(deliveries), list(dict.fromkeys(f"{run}:{one.name}" for one in deliveries)))
    with (
        _tidy_on_sigterm(),
        _progress() as (progress, remark),
        _effects_file(effects) as outside,
        stage(url, schema, upgrade=upgrade, remark=remark) as database,
    ):
        assignment = Assignment(
            url=database,
            schema_name=schema,
            user_id=str(_user(database, schema, user)),
            run=run,
            input=str(source),
            effects=str(outside.path),
            lease_seconds=lease.total_seconds(),
            times=times,
            seed=0,
            moment=kill_at,
        )
        remark(
            f"Delivering {len(deliveries)} webhooks, {times} times by each of {workers} at once."
        )
        show = Performance(assignment, tally, remark=remark, advance=progress)
        show.run(workers, kill_in=1 if kill else None)
        tally.effects = outside.count()
    _conclude(tally, time.monotonic() - began, kill=kill, as_json=as_json)


def _user(url: str, schema: str | None, user: UUID | None) -> UUID:
    """Return whose executions these are; raises where the database cannot be worked on."""
    with connected(url) as engine, ExecutionTracker(engine, schema=schema) as tracker:
        tracker.get_execution(str(user))  # checks the schema before any process is started
        return user or local_user(engine, tracker, schema)


@contextmanager
def _tidy_on_sigterm() -> Iterator[None]:
    """Have SIGTERM do what an interrupt does, so that it leaves nothing behind either."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _effects_file(path: Path | None) -> Iterator[EffectsFile]:
    with tempfile.TemporaryDirectory(prefix="exec-tracker-demo-") as folder:
        outside = EffectsFile((path or Path(folder) / "effects.jsonl").absolute())
        outside.create()
        outside.count()  # raises now where it is another file
        yield outside


@contextmanager
def _progress() -> Iterator[tuple[Callable[[int, int], None], Callable[[str], None]]]:
    """Show a bar where somebody watches, and remarks in any case."""
    console = notes()
    columns = (TextColumn("deliveries"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("deliveries", total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance, bar.console.print


def _conclude(tally: Tally, seconds: float, *, kill: bool, as_json: bool) -> None:
    if kill and not tally.kills:
        notes().print("No process was killed: the first one had no effect of its own to have.")
    if as_json:
        print_json(report.as_dictionary(tally, seconds))
    else:
        console = answers()
        console.print(report.as_table(tally, seconds))
        console.print(report.verdict(tally))
    sys.stdout.flush()
    if not tally.holds:
        raise typer.Exit(ExitStatus.FAILED)

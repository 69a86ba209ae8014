"""`exec-tracker db`: the schema of a database."""

from __future__ import annotations

import dataclasses
import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from exec_tracker import migrations
from exec_tracker.cli.connecting import chosen_url
from exec_tracker.cli.faults import CommandLineError
from exec_tracker.cli.helping import PlainCommand
from exec_tracker.cli.options import AsJson, DatabaseUrl, Schema
from exec_tracker.cli.output import answers, print_json, say, shown
from exec_tracker.cli.statuses import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["db"]

_NOISE = ("Context impl", "Will assume")

db = typer.Typer(
    help="Look after the schema: upgrade, check, print it as SQL; or serve a private database."
)

_Target = Annotated[
    str, typer.Argument(metavar="REVISION", help="Where to go: head, a revision, or +1.")
]
_Identity = Annotated[
    str | None,
    typer.Option(
        "--identity",
        metavar="auto|supabase|standalone",
        help="Where users come from; auto takes a schema auth that is there, or makes a stand-in.",
    ),
]
_UsersTable = Annotated[
    str | None,
    typer.Option(
        "--users-table", metavar="TABLE", help="What user_id refers to: auth.users, yours, or none."
    ),
]
_Concurrently = Annotated[
    bool | None,
    typer.Option(
        "--concurrently/--no-concurrently",
        help="Build indexes beside the writers, outside of transactions; or within, blocking them.",
        show_default=False,
    ),
]


@db.command(cls=PlainCommand)
def upgrade(
    revision: _Target = "head",
    *,
    identity: _Identity = None,
    users_table: _UsersTable = None,
    concurrently: _Concurrently = None,
    schema: Schema = None,
    url: DatabaseUrl = None,
) -> None:
    """Upgrade the schema; safe to repeat, and safe on a busy database.

    Indexes are built concurrently, unless told otherwise.
    """
    target = chosen_url(url)
    before = migrations.current(target, schema=schema)
    with _progress():
        migrations.upgrade(
            target,
            revision,
            identity=identity,
            users_table=users_table,
            schema=schema,
            concurrently=concurrently,
        )
    after = migrations.current(target, schema=schema)
    say(f"the schema is at {after}{' already' if before == after else ''}")


@db.command(cls=PlainCommand)
def downgrade(
    revision: Annotated[
        str, typer.Argument(metavar="REVISION", help="Where to go back to: a revision, or base.")
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    schema: Schema = None,
    url: DatabaseUrl = None,
) -> None:
    """Take the schema back; what only the newer revisions hold is lost."""
    target = chosen_url(url)
    if not yes:
        if not sys.stdin.isatty():
            raise CommandLineError(
                "a downgrade loses what only newer revisions hold: repeat with --yes to go on",
                ExitStatus.USAGE,
            )
        typer.confirm(
            f"Take {target.render_as_string()} back to {revision}, losing what only newer "
            "revisions hold?",
            abort=True,
            err=True,
        )
    with _progress():
        migrations.downgrade(target, revision, schema=schema)
    say(f"the schema is at {migrations.current(target, schema=schema) or 'base: it is gone'}")


@db.command(cls=PlainCommand)
def stamp(
    revision: Annotated[
        str, typer.Argument(metavar="REVISION", help="What the schema is known to be.")
    ],
    *,
    schema: Schema = None,
    url: DatabaseUrl = None,
) -> None:
    """Record a revision and run nothing: how a schema that was made by hand is adopted."""
    target = chosen_url(url)
    with _progress():
        migrations.stamp(target, revision, schema=schema)
    say(f"the schema is taken to be at {migrations.current(target, schema=schema)}")


@db.command(cls=PlainCommand)
def current(*, schema: Schema = None, url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Print the revision that the database is at."""
    revision = migrations.current(chosen_url(url), schema=schema)
    if as_json:
        print_json({"revision": revision})
    elif revision is not None:
        sys.stdout.write(f"{revision}\n")
    else:
        say("no revision is recorded; `exec-tracker db upgrade` makes the schema")
    raise typer.Exit(ExitStatus.OK if revision else ExitStatus.FAILED)


@db.command(cls=PlainCommand)
def check(*, schema: Schema = None, url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Compare the schema with what this version needs; exits with 1 where they differ."""
    drifts = migrations.check(chosen_url(url), schema=schema)
    if as_json:
        print_json({"differences": [dataclasses.asdict(one) for one in drifts]})
    elif drifts:
        for one in drifts:
            answers().print(shown(str(one)), soft_wrap=True)
    else:
        say("the schema is as this version needs it")
    raise typer.Exit(ExitStatus.FAILED if drifts else ExitStatus.OK)


@db.command(cls=PlainCommand)
def sql(
    revision: _Target = "head",
    *,
    identity: _Identity = None,
    users_table: _UsersTable = None,
    concurrently: _Concurrently = None,
    schema: Schema = None,
) -> None:
    """Print the script that an upgrade would run, for somebody else to run; asks no database.

    It is one transaction, unless indexes are to be built concurrently.
    """
    script = migrations.sql(
        revision,
        identity=identity,
        users_table=users_table,
        schema=schema,
        concurrently=concurrently,
    )
    sys.stdout.write(script)


@contextmanager
def _progress() -> Iterator[None]:
    """Print what the migrations log while they run."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(lambda record: not record.getMessage().startswith(_NOISE))
    loggers = [logging.getLogger(name) for name in ("alembic.runtime.migration", "exec_tracker")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.addHandler(handler)
        one.setLevel(logging.INFO)
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.removeHandler(handler)
            one.setLevel(level)

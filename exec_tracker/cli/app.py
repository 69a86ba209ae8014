"""The commands put together, and the one place where errors become a sentence and a status."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer
import typer.main

from exec_tracker import __version__
from exec_tracker.cli import (
    command,
    conforming,
    deciding,
    demo,
    looking,
    private,
    purging,
    schema,
    serving,
    watching,
)
from exec_tracker.cli.faults import explain
from exec_tracker.cli.helping import PlainCommand, hint
from exec_tracker.cli.output import say, use_any_text
from exec_tracker.cli.statuses import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["app", "run"]

# Typer carries its own copy of click or imports click, depending on its version.
_UsageError: Final[type[Exception]] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)

app = typer.Typer(
    name="exec-tracker",
    help="Run work exactly once per idempotency key, on PostgreSQL.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        sys.stdout.write(f"exec-tracker {__version__}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")
        raise typer.Exit


# After the first word of the command that `run` is given, options are that command's own.
app.command(cls=PlainCommand, context_settings={"allow_interspersed_args": False})(command.run)
for _function in (
    command.retry,
    looking.show,
    looking.attempts,
    looking.list_executions,
    looking.abandoned,
    watching.watch,
    deciding.resolve,
    deciding.reset,
    purging.purge,
    serving.mcp,
    demo.demo,
    conforming.conformance,
):
    app.command(_function.__name__.partition("_")[0], cls=PlainCommand)(_function)
schema.db.command(cls=PlainCommand)(private.serve)
app.add_typer(schema.db, name="db", rich_help_panel=None)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; no exception but SystemExit leaves."""
    use_any_text()
    command = typer.main.get_command(app)
    try:
        status = command.main(arguments, prog_name="exec-tracker", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        say("interrupted")
        return ExitStatus.INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # Whoever read our output has gone, which typer turns into an exit. Python must not
        # complain about it once more at its own end.
        sys.stdout = None
        return ExitStatus.BROKEN_PIPE
    except _UsageError as wrong:
        say(f"{_message_of(wrong)} {hint(getattr(wrong, 'ctx', None))}")
        return ExitStatus.USAGE
    except Exception as error:  # noqa: BLE001 # a traceback is never an answer
        sentence, failed = explain(error)
        say(sentence)
        return failed
    return status if isinstance(status, int) else ExitStatus.OK


def _message_of(wrong: Exception) -> str:
    format_message = getattr(wrong, "format_message", None)
    said = str(format_message()) if format_message else str(wrong)
    return said.replace("Value error, ", "").rstrip(".")

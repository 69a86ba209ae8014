"""Commands whose help is plain, and whose usage errors name the help that helps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from typer.core import TyperCommand

from exec_tracker.cli.faults import CommandLineError
from exec_tracker.cli.statuses import ExitStatus

if TYPE_CHECKING:
    from typer import Context

__all__ = ["PlainCommand", "hint"]

# Some versions of typer mark what is required, and name Python's types.
_REQUIRED: Final = re.compile(r"\{([A-Z]+)\}")
_TYPE: Final = re.compile(r"^(  [A-Z]+)( <[^>\n]+>)", re.MULTILINE)


class PlainCommand(TyperCommand):
    """A command as the reference writes it: `run [OPTIONS] COMMAND...`."""

    def get_help(self, ctx: Any) -> str:
        """Return the help without marks that nobody would type; columns keep their places."""
        text = _REQUIRED.sub(r"\1", super().get_help(ctx))
        return _TYPE.sub(lambda found: found[1] + " " * len(found[2]), text)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; what is wrong with them is known to be this command's."""
        try:
            return super().parse_args(ctx, args)
        except Exception as wrong:
            if getattr(wrong, "ctx", ctx) is None:
                wrong.ctx = ctx  # type: ignore[attr-defined] # a usage error that was not told
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command; where it was called wrongly, say whose help tells how."""
        try:
            return super().invoke(ctx)
        except CommandLineError as wrong:
            if wrong.status is not ExitStatus.USAGE:
                raise
            raise CommandLineError(f"{wrong} {hint(ctx)}", wrong.status) from None


def hint(context: Context | None) -> str:
    """Name the help of the command that was called wrongly."""
    path = context.command_path if context is not None else "exec-tracker"
    return f"(`{path} --help` lists what can be said)"

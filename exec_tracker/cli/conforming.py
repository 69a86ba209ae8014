"""`conformance`: learn whether the guarantees hold on this database."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer
from rich.text import Text

from exec_tracker.cli.connecting import chosen_url
from exec_tracker.cli.options import AsJson, DatabaseUrl, Schema, duration
from exec_tracker.cli.output import answers, print_json, say, shown
from exec_tracker.cli.statuses import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exec_tracker.testing.conformance import Verdict

__all__ = ["conformance"]

_STYLES: Final[Mapping[str, str]] = {"ok": "green", "FAILED": "bold red", "not tried": "yellow"}
_WIDTH: Final = max(map(len, _STYLES))


_User = Annotated[
    UUID | None,
    typer.Option(
        "--user",
        metavar="UUID",
        help="In whose name rows are made and deleted; otherwise a user made for it.",
    ),
]
_Connections = Annotated[
    int, typer.Option("--connections", metavar="N", min=2, help="How many call at once.")
]
_Patience = Annotated[
    timedelta,
    typer.Option(
        "--patience",
        parser=duration,
        metavar="DURATION",
        help="How long to wait for what must come: 30s.",
        show_default=False,
    ),
]
_Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="CHECK", help="Only this check; may recur."),
]
_Skip = Annotated[
    list[str] | None, typer.Option("--skip", metavar="CHECK", help="Not this one; may recur.")
]


def conformance(
    *,
    user: _User = None,
    connections: _Connections = 8,
    patience: _Patience = timedelta(seconds=30),
    only: _Only = None,
    skip: _Skip = None,
    url: DatabaseUrl = None,
    schema: Schema = None,
    as_json: AsJson = False,
) -> None:
    """Try whether the guarantees hold on this database; exits with 1 where one does not.

    Makes rows and a user of its own, and deletes them again.
    """
    from exec_tracker.testing import conformance as suite  # noqa: PLC0415 - slow to import

    verdicts = []
    running = suite.run(
        chosen_url(url),
        user_id=user,
        schema=schema,
        connections=connections,
        patience=patience,
        only=only or (),
        skip=skip or (),
    )
    with closing(running):  # also where it is interrupted, nothing is left behind
        for verdict in running:
            verdicts.append(verdict)
            if not as_json:
                answers().print(_line(verdict), soft_wrap=True)
    if as_json:
        print_json(verdicts)
    else:
        say(_summary(verdicts))
    failed = any(one.outcome == "FAILED" for one in verdicts)
    raise typer.Exit(ExitStatus.FAILED if failed else ExitStatus.OK)


def _line(verdict: Verdict) -> Text:
    outcome = str(verdict.outcome)
    line = Text.assemble((outcome.ljust(_WIDTH), _STYLES[outcome]), "  ", verdict.promise)
    if verdict.detail:
        line.append(": ").append(shown(verdict.detail))
    if outcome != "ok":
        line.append(f" [{verdict.check}]", style="dim")
    return line


def _summary(verdicts: list[Verdict]) -> str:
    counted = Counter(str(one.outcome) for one in verdicts)
    return (
        f"{counted['ok']} checks hold, {counted['FAILED']} do not, "
        f"{counted['not tried']} were not tried"
    )

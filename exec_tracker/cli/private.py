"""`db serve`: a private PostgreSQL, for as long as somebody wants it."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from exec_tracker import migrations
from exec_tracker.cli.faults import CommandLineError
from exec_tracker.cli.output import say
from exec_tracker.cli.statuses import ExitStatus
from exec_tracker.embedded import EmbeddedPostgres
from exec_tracker.settings import URL_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["serve"]

_ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How soon it is noticed that the server has ended by itself.
_LOOK: Final = 0.5


def serve(
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FOLDER", help="Keep the data there; otherwise they are temporary."
        ),
    ] = None,
    no_upgrade: Annotated[
        bool, typer.Option("--no-upgrade", help="Leave the schema as it is.")
    ] = False,
) -> None:
    """Run a private PostgreSQL until it is interrupted, and print its URL; to try things out."""
    with _until_told() as told, EmbeddedPostgres(data) as server:
        if not no_upgrade:
            migrations.upgrade(server.url)
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        say(f"it runs until Ctrl-C; elsewhere: export {URL_VARIABLES[0]}='{server.url}'")
        while not told.wait(_LOOK):
            if not server.is_running:
                raise CommandLineError(
                    f"the server has ended by itself; {server.log} may tell why",
                    ExitStatus.UNAVAILABLE,
                )


@contextmanager
def _until_told() -> Iterator[threading.Event]:
    """Yield what is set by the signals that end a server, which are no errors here."""
    told = threading.Event()
    before = {one: signal.signal(one, lambda *_: told.set()) for one in _ENDINGS}
    try:
        yield told
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)

"""The database of the demo: the one that is configured, or a private one made for it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from exec_tracker import migrations
from exec_tracker.cli.connecting import chosen_url
from exec_tracker.embedded import EmbeddedPostgres
from exec_tracker.settings import database_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["stage"]


@contextmanager
def stage(
    url: str | None, schema: str | None, *, upgrade: bool, remark: Callable[[str], None]
) -> Iterator[str]:
    """Yield the URL of a database; a private one is gone afterwards.

    Only a private database, or one that the caller wants upgraded, gets its schema here.
    """
    if url is None and database_url() is None:
        remark("Starting a private PostgreSQL, since no database is configured.")
        with EmbeddedPostgres() as server:
            migrations.upgrade(server.url, schema=schema)
            yield server.url
        return
    chosen = chosen_url(url)
    if upgrade:
        remark("Upgrading the schema.")
        migrations.upgrade(chosen, schema=schema)
    yield chosen.render_as_string(hide_password=False)

"""Databases that live as long as one test."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from exec_tracker.embedded.administration import create_database, drop_database
from exec_tracker.settings import normalise_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exec_tracker.testing.databases import Server

__all__ = ["ThrowawayDatabases"]


class ThrowawayDatabases:
    """Creates databases on a server and drops them, over one connection kept open."""

    def __init__(self, server: Server) -> None:
        self._server = server
        url = normalise_url(server.url)
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._connection = engine.connect()

    def close(self) -> None:
        """Close the connection; databases still in use stay."""
        self._connection.close()

    @contextmanager
    def database(self, purpose: str, template: str | None = None) -> Iterator[str]:
        """Yield the name of a fresh database; drop it afterwards, whoever is connected."""
        name = f"exec_tracker_{purpose}_{secrets.token_hex(6)}"
        create_database(self._connection, name, template)
        try:
            yield name
        finally:
            drop_database(self._connection, name)

    @contextmanager
    def database_url(self, template: str | None = None) -> Iterator[str]:
        """Yield the URL of a fresh database for one test."""
        with self.database("test", template) as name:
            yield self._server.database_url(name)

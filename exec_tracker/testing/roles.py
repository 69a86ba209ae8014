"""Connections that see the database as a user, a visitor or the service does."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy import create_engine, func, select, text
from sqlalchemy.pool import NullPool

from exec_tracker.settings import normalise_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from uuid import UUID

    from sqlalchemy import Connection

__all__ = ["AsRole", "AsUser", "assume", "in_role"]

_LEGACY_CLAIMS: Final = ("sub", "role")
"""These settings win over `request.jwt.claims`, so both are set, always."""


class AsUser(Protocol):
    """Opens a transaction as one user of the API."""

    def __call__(self, user_id: UUID) -> AbstractContextManager[Connection]:
        """Return a context manager: it commits at its end, and rolls back on an exception."""
        ...


class AsRole(Protocol):
    """Opens a transaction as a role that is nobody in particular."""

    def __call__(self) -> AbstractContextManager[Connection]:
        """Return a context manager: it commits at its end, and rolls back on an exception."""
        ...


@contextmanager
def in_role(url: str, role: str, user_id: UUID | None = None) -> Iterator[Connection]:
    """Yield a connection in a transaction, with the role and the claims an API server sets."""
    engine = create_engine(normalise_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        assume(connection, role, user_id)
        yield connection


def assume(connection: Connection, role: str, user_id: UUID | None = None) -> None:
    """Take a role and its claims until the end of the connection's transaction."""
    _claim(connection, {"role": role} | ({"sub": str(user_id)} if user_id else {}))
    quoted = connection.dialect.identifier_preparer.quote(role)
    connection.execute(text("SET LOCAL ROLE " + quoted))


def _claim(connection: Connection, claims: Mapping[str, str]) -> None:
    settings = {f"request.jwt.claim.{name}": claims.get(name, "") for name in _LEGACY_CLAIMS}
    settings["request.jwt.claims"] = json.dumps(claims)
    for name, value in settings.items():
        connection.execute(select(func.set_config(name, value, True)))

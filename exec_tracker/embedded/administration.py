"""Databases of a server as whole things: created, copied, dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import DDL

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["create_database", "drop_database"]


def create_database(connection: Connection, name: str, template: str | None = None) -> None:
    """Create a database, as a copy of the template if given; the connection is in autocommit.

    Nobody may be connected to the template at that moment.
    """
    if template is None:
        _execute(connection, "CREATE DATABASE %(name)s", name=name)
    else:
        statement = "CREATE DATABASE %(name)s TEMPLATE %(template)s"
        _execute(connection, statement, name=name, template=template)


def drop_database(connection: Connection, name: str) -> None:
    """Drop a database where there is one, and end its connections."""
    _execute(connection, "DROP DATABASE IF EXISTS %(name)s WITH (FORCE)", name=name)


def _execute(connection: Connection, statement: str, **names: str) -> None:
    quote = connection.dialect.identifier_preparer.quote_identifier
    quoted = {key: quote(name) for key, name in names.items()}
    connection.execute(DDL(statement, context=quoted))  # type: ignore[no-untyped-call]

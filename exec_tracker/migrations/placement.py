"""A schema other than the first of the search path: made if need be, and in force for the run."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import event, text
from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

__all__ = ["quoted", "schema_of", "schema_script"]

_QUOTE: Final = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]


@contextmanager
def schema_of(connection: Connection, schema: str | None, *, make: bool) -> Iterator[None]:
    """Let unqualified names mean `schema`, in each transaction of the connection.

    Set for one transaction at a time, and again at the start of the next: a setting of the
    session would reach the wrong one behind a transaction pooler.
    """
    if schema is None:
        yield
    elif connection.in_transaction():
        with _joined(connection, schema, make=make):
            yield
    else:
        with _each_transaction(connection, schema, make=make):
            yield


@contextmanager
def _joined(connection: Connection, schema: str, *, make: bool) -> Iterator[None]:
    before = connection.scalar(text("SELECT current_setting('search_path')"))
    if make:
        _make(connection, schema)
    _set_path(connection, quoted(schema))
    yield
    _set_path(connection, str(before))


@contextmanager
def _each_transaction(connection: Connection, schema: str, *, make: bool) -> Iterator[None]:
    literal = quoted(schema).replace("'", "''")
    statement = f"SELECT pg_catalog.set_config('search_path', '{literal}', true)"

    def at_begin(begun: Connection) -> None:
        # Straight to the driver: SQLAlchemy's transaction has not begun yet.
        cursor = begun.connection.cursor()
        cursor.execute(statement)
        cursor.close()

    if make:
        with connection.begin():
            _make(connection, schema)
    event.listen(connection, "begin", at_begin)
    try:
        yield
    finally:
        event.remove(connection, "begin", at_begin)


def _make(connection: Connection, schema: str) -> None:
    # Asked first: IF NOT EXISTS wants the privilege to create even where nothing is created.
    if connection.scalar(text("SELECT to_regnamespace(:name)"), {"name": quoted(schema)}) is None:
        connection.execute(text(f"CREATE SCHEMA {quoted(schema)}"))


def _set_path(connection: Connection, path: str) -> None:
    connection.execute(text("SELECT set_config('search_path', :path, true)"), {"path": path})


def schema_script(schema: str) -> tuple[str, ...]:
    """Return what a script does to the same end."""
    return (
        f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}",
        f"SET LOCAL search_path TO {quoted(schema)}",
    )


def quoted(name: str) -> str:
    """Quote a name, qualified or not, where PostgreSQL would."""
    return ".".join(_QUOTE(part) for part in name.split("."))

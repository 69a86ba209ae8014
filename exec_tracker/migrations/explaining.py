"""Say in errors of ours what Alembic and the drivers raise while a schema is looked after."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from exec_tracker.errors import (
    ConfigurationError,
    ExecTrackerError,
    MigrationRequiredError,
    SchemaError,
    StorageError,
)
from exec_tracker.sqlstates import (
    INSUFFICIENT_PRIVILEGE,
    first_line,
    sqlstate_of,
    translate,
    translate_connect,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["connecting", "in_our_errors"]


@contextmanager
def connecting() -> Iterator[None]:
    """Translate that no connection could be had."""
    try:
        yield
    except DBAPIError as error:
        raise translate_connect(error) from error


@contextmanager
def in_our_errors() -> Iterator[None]:
    """Translate what an upgrade, or a look at the schema, runs into; ours go through.

    Raises:
        ConfigurationError: Alembic does not know the revision that was asked for.
        SchemaError: a statement meets another schema than it was written for.
        StorageError: the database refused, or could not be used for the moment.
    """
    try:
        yield
    except CommandError as error:
        # Alembic's own complaints are about what was asked for: a revision that is none, or two.
        raise ConfigurationError(str(error)) from error
    except DBAPIError as error:
        raise _explained(error) from error


def _explained(error: DBAPIError) -> ExecTrackerError:
    state = sqlstate_of(error)
    if state is None and not error.statement:
        return translate_connect(error)  # the upgraders' lock is held on a second connection
    if state == INSUFFICIENT_PRIVILEGE:
        return StorageError(
            f"The database refused: {first_line(error)} (SQLSTATE {state}). Migrate as the owner "
            "of the tables, with CREATE on their schema.",
            sqlstate=state,
        )
    known = translate(error)
    if isinstance(known, MigrationRequiredError):
        return SchemaError(
            f"The database is not as the revision expects it: {first_line(error)} "
            f"(SQLSTATE {state}). `exec-tracker db check` names what differs."
        )
    return known

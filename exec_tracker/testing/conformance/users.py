"""In whose name the checks run: a user who is told, or one made where that is ours to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from sqlalchemy import text

from exec_tracker.errors import ConfigurationError
from exec_tracker.migrations.standin import STAND_IN_COMMENT

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["Guest", "users_table"]

_REFERENCE: Final = text("""
SELECT confrelid::regclass::text
  FROM pg_constraint
 WHERE contype = 'f' AND conname = 'workflow_executions_user_id_fkey'
   AND conrelid = to_regclass(:executions)
""")
_IS_OURS: Final = text("SELECT obj_description(to_regnamespace('auth'), 'pg_namespace') = :comment")
_ADD: Final = text("INSERT INTO auth.users (id) VALUES (:id)")
_REMOVE: Final = text("DELETE FROM auth.users WHERE id = :id")


def users_table(engine: Engine, schema: str | None) -> str | None:
    """Return the table that user_id refers to, None where it refers to none."""
    table = f'"{schema}".workflow_executions' if schema else "workflow_executions"
    with engine.connect() as connection:
        found: str | None = connection.scalar(_REFERENCE, {"executions": table})
        return found


class Guest:
    """The user whose rows the checks make; one that was made for them goes when they end."""

    def __init__(self, engine: Engine, schema: str | None, user_id: UUID | None) -> None:
        """Take the user who is told, or think of one."""
        self._engine = engine
        self._schema = schema
        self._is_told = user_id is not None
        self._is_made = False
        self.user_id = user_id or uuid4()

    def arrive(self) -> None:
        """Make the user, unless it was told or user_id refers to no table.

        Raises ConfigurationError where users are made by somebody else, as on Supabase.
        """
        table = None if self._is_told else users_table(self._engine, self._schema)
        if table is None:
            return
        with self._engine.begin() as connection:
            ours = connection.scalar(_IS_OURS, {"comment": STAND_IN_COMMENT})
            if table != "auth.users" or not ours:
                raise ConfigurationError(
                    f"This database has users of its own in {table}: say in whose name the checks "
                    "run, with --user or user_id=. Rows of theirs are made and deleted again."
                )
            connection.execute(_ADD, {"id": self.user_id})
        self._is_made = True

    def leave(self) -> None:
        """Delete the user, if it was made here, with what rows are left."""
        if self._is_made:
            with self._engine.begin() as connection:
                connection.execute(_REMOVE, {"id": self.user_id})
            self._is_made = False

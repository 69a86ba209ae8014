"""What a host's own Alembic environment needs to leave our objects alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from exec_tracker.migrations.options import VERSION_TABLE
from exec_tracker.models import Base

if TYPE_CHECKING:
    from sqlalchemy.schema import SchemaItem

__all__ = ["include_object"]

_OURS: Final = frozenset({*Base.metadata.tables, VERSION_TABLE})


def include_object(
    thing: SchemaItem,
    name: str | None,
    type_: str,
    reflected: bool,
    compare_to: SchemaItem | None,
) -> bool:
    """Tell a host's autogenerate that our tables are not its own to create, change or drop.

    For `context.configure(include_object=…)`, with our metadata among the target metadata or
    without it. The host's tables that refer to ours are compared as ever.
    """
    del reflected, compare_to
    if type_ != "table":
        return True
    schema: Any = getattr(thing, "schema", None)
    return name not in _OURS and not (schema == "auth" and name == "users")

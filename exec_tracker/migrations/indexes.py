"""Give an index another shape under its name, without taking it from the readers meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alembic import op
from sqlalchemy import text

from exec_tracker.migrations.revision import leaves_transaction, options

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["reshape"]

_SHAPE: Final = text("""
SELECT regexp_replace(pg_get_indexdef(indexrelid), '^.* USING btree ', '')
  FROM pg_index
 WHERE indexrelid = to_regclass(:name)
   AND indisvalid
""")


def reshape(table: str, shapes: Mapping[str, str]) -> None:
    """Build each index beside the old one, drop the old one, take over its name.

    Concurrently where Alembic may leave its transaction: then readers and writers never wait,
    and a run that was cut off is resumed. A shape is written as PostgreSQL writes it.
    """
    context = op.get_context()
    if not leaves_transaction():
        for name, shape in shapes.items():
            _swap(table, name, shape, concurrently="")
        return
    with context.autocommit_block():
        for name, shape in shapes.items():
            if context.as_sql:
                _swap(table, name, shape, concurrently="CONCURRENTLY ")
            else:
                _converge(table, name, shape)


def _swap(table: str, name: str, shape: str, *, concurrently: str) -> None:
    _build(table, f"{name}_new", shape, concurrently)
    op.execute(f"DROP INDEX {concurrently}{_here(name)}")
    _rename(f"{name}_new", name)


def _converge(table: str, name: str, shape: str) -> None:
    """Do what is left to do: a failed build leaves an invalid index behind, which serves nobody."""
    if _shape_of(name) == shape:
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_here(f'{name}_new')}")
        return
    if _shape_of(f"{name}_new") != shape:
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_here(f'{name}_new')}")
        _build(table, f"{name}_new", shape, "CONCURRENTLY ")
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_here(name)}")
    _rename(f"{name}_new", name)


def _build(table: str, name: str, shape: str, concurrently: str) -> None:
    escaped = shape.replace(":", r"\:")
    op.execute(f"CREATE INDEX {concurrently}{name} ON {_here(table)} {escaped}")


def _rename(name: str, to: str) -> None:
    op.execute(f"ALTER INDEX {_here(name)} RENAME TO {to}")


def _shape_of(name: str) -> str | None:
    shape: str | None = op.get_bind().scalar(_SHAPE, {"name": _here(name)})
    return shape


def _here(name: str) -> str:
    """Qualify a name: outside a transaction the search path cannot be set for a moment."""
    schema = options().schema
    if schema is None:
        return name
    return f"{op.get_context().dialect.identifier_preparer.quote_schema(schema)}.{name}"

"""Add an index, or give one another shape, without keeping readers and writers waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alembic import op
from sqlalchemy import text

from exec_tracker.migrations.placement import quoted
from exec_tracker.migrations.revision import leaves_transaction, options

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["add", "remove", "reshape"]

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
            _swap(table, name, shape)
        return
    with context.autocommit_block():
        for name, shape in shapes.items():
            if context.as_sql or _shape_of(name) != shape:
                _swap_concurrently(table, name, shape)
            else:
                _drop_concurrently(f"{name}_new")


def add(table: str, name: str, shape: str) -> None:
    """Build an index that was not there, concurrently where that is possible, as above."""
    context = op.get_context()
    if not leaves_transaction():
        _execute(
            f"CREATE INDEX {name} ON {_here(table)} {shape}",
            "built in this transaction; -x concurrently=yes makes a script that needs none",
            "require-concurrent-index-creation",
        )
        return
    with context.autocommit_block():
        if context.as_sql or _shape_of(name) != shape:
            _build_concurrently(table, name, shape)


def remove(name: str) -> None:
    """Drop an index, concurrently where that is possible."""
    if not leaves_transaction():
        _execute(
            f"DROP INDEX {_here(name)}",
            "the lock timeout bounds the wait",
            "require-concurrent-index-deletion",
        )
        return
    with op.get_context().autocommit_block():
        _drop_concurrently(name)


def _swap(table: str, name: str, shape: str) -> None:
    # All in one transaction; the lock on the table is exclusive for the swap only.
    _execute(
        f"CREATE INDEX {name}_new ON {_here(table)} {shape}",
        "built in this transaction; -x concurrently=yes makes a script that needs none",
        "require-concurrent-index-creation",
    )
    _execute(
        f"DROP INDEX {_here(name)}",
        "its successor is there, and the lock timeout bounds the wait",
        "require-concurrent-index-deletion",
    )
    _rename(f"{name}_new", name)


def _swap_concurrently(table: str, name: str, shape: str) -> None:
    """Do what is left to do: a failed build leaves an invalid index behind, which serves nobody."""
    if op.get_context().as_sql or _shape_of(f"{name}_new") != shape:
        _build_concurrently(table, f"{name}_new", shape)
    _drop_concurrently(name)
    _rename(f"{name}_new", name)


def _build_concurrently(table: str, name: str, shape: str) -> None:
    _drop_concurrently(name)
    _execute(
        f"CREATE INDEX CONCURRENTLY {name} ON {_here(table)} {shape}",
        "IF NOT EXISTS would keep the invalid index that a failed build leaves",
        "prefer-robust-stmts",
    )


def _drop_concurrently(name: str) -> None:
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_here(name)}")


def _rename(name: str, to: str) -> None:
    _execute(
        f"ALTER INDEX {_here(name)} RENAME TO {to}",
        "no client names an index",
        "renaming-object",
    )


def _execute(statement: str, reason: str, rule: str) -> None:
    """Run it, or script it with the reason why a linter's rule is not followed."""
    if op.get_context().as_sql:
        statement = f"-- {reason}\n-- squawk-ignore {rule}\n{statement}"
    op.execute(statement.replace(":", r"\:"))


def _shape_of(name: str) -> str | None:
    shape: str | None = op.get_bind().scalar(_SHAPE, {"name": _here(name)})
    return shape


def _here(name: str) -> str:
    """Qualify a name: outside a transaction the search path cannot be set for a moment."""
    schema = options().schema
    if schema is None:
        return name
    return f"{quoted(schema)}.{name}"

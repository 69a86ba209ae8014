"""What revisions cannot say in frozen SQL: it depends on the database, or on what was asked."""

from __future__ import annotations

from typing import Final

from alembic import context, op
from sqlalchemy import text

from exec_tracker.errors import SchemaError
from exec_tracker.migrations import identity
from exec_tracker.migrations.options import (
    DEFAULT_USERS_TABLE,
    NO_USERS_TABLE,
    OPTIONS_KEY,
    USERS_TABLE_NOTE,
    Options,
)
from exec_tracker.migrations.placement import quoted

__all__ = [
    "leaves_transaction",
    "open_schema",
    "options",
    "provide_identity",
    "provide_roles",
    "refuse_existing_table",
    "remember_users_table",
    "users_reference",
    "version_table_is",
    "wait_briefly_for_locks",
    "withdraw_identity",
]

LOCK_TIMEOUT: Final = "900ms"
"""Below the second that a worker's statement may be delayed while a revision runs."""


def options() -> Options:
    """Return the options of this run, also inside a host's environment that knows none."""
    found = op.get_context().opts.get(OPTIONS_KEY)
    if isinstance(found, Options):
        return found
    return Options.gather({}, context.get_x_argument(as_dictionary=True))


def leaves_transaction() -> bool:
    """Tell whether statements may run outside a transaction, as concurrent index builds must.

    Online unless told otherwise, or unless the transaction is the caller's or spans several
    revisions; offline only if told, since an SQL editor runs a script in one transaction.
    """
    migration = op.get_context()
    asked = options().concurrently
    if migration.as_sql:
        return bool(asked)
    joined = migration._in_external_transaction  # noqa: SLF001 - autocommit_block asserts on it
    return not joined and (
        bool(migration.opts.get("transaction_per_migration")) if asked is None else asked
    )


def wait_briefly_for_locks() -> None:
    """Let a statement give up soon, since everybody else queues behind a lock that it waits for.

    In our own runs only, where the revision is then tried again; inside a host's transaction the
    setting would outlive the revision, and a script has it at its top.
    """
    migration = op.get_context()
    ours = OPTIONS_KEY in migration.opts and not migration.as_sql
    if ours and not migration._in_external_transaction:  # noqa: SLF001
        op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")


def open_schema() -> None:
    """Let the API roles reach the tables in a schema that was asked for."""
    schema = options().schema
    if schema is not None:
        op.execute(f"GRANT USAGE ON SCHEMA {quoted(schema)} TO authenticated, service_role")


def version_table_is(name: str) -> bool:
    """Tell whether the revisions are recorded in this table, and not in one of the host's."""
    return bool(op.get_context().version_table == name)


def refuse_existing_table(table: str, revision: str) -> None:
    """Stop where the table was made without Alembic, and say how to adopt it.

    Raises:
        SchemaError: the table is there, and no version row tells how old it is.
    """
    if op.get_context().as_sql:
        return
    if op.get_bind().scalar(text("SELECT to_regclass(:name)"), {"name": table}) is not None:
        raise SchemaError(
            f"the table {table} exists, but no revision is recorded for it. If it was made from "
            f"the specified SQL, adopt it with `alembic stamp {revision}` or `exec-tracker db "
            f"stamp {revision}`, then upgrade again"
        )


def provide_identity() -> str:
    """See to it that the identity exists; return the table that `user_id` is to refer to."""
    asked = options()
    if op.get_context().as_sql:
        identity.provide_offline(op.execute, asked)
    else:
        identity.provide(op.get_bind(), asked)
    return asked.users_table


def provide_roles() -> None:
    """See to it that the API roles exist, also where the tables were made without us."""
    if op.get_context().as_sql:
        identity.provide_roles_offline(op.execute, options())
    else:
        identity.provide_roles(op.get_bind(), options())


def withdraw_identity() -> None:
    """Drop the stand-in for the identity where it is ours and unused."""
    identity.withdraw(op.execute)


def users_reference(users_table: str) -> str:
    """Return the REFERENCES clause for the users table that was asked for."""
    if users_table == NO_USERS_TABLE:
        return ""
    return f" REFERENCES {quoted(users_table)}(id) ON DELETE CASCADE"


def remember_users_table(users_table: str) -> None:
    """Note a users table other than the default where a later check finds it."""
    if users_table != DEFAULT_USERS_TABLE:
        note = USERS_TABLE_NOTE.format(users_table).replace("'", "''")
        op.execute(f"COMMENT ON COLUMN workflow_executions.user_id IS '{note}'".replace(":", r"\:"))

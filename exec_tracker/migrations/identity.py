"""The identity that the schema refers to: found, or a small stand-in on plain PostgreSQL.

On Supabase the schema `auth` belongs to the platform, which forbids changing it. So whatever
schema `auth` we did not make is read and never written; the stand-in bears our comment.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from exec_tracker.errors import ConfigurationError
from exec_tracker.migrations.options import DEFAULT_USERS_TABLE
from exec_tracker.migrations.standin import (
    CREATE_ROLES,
    CREATE_STAND_IN,
    DROP_STAND_IN,
    STAND_IN_COMMENT,
)
from exec_tracker.sqlstates import sqlstate_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from exec_tracker.migrations.options import Options

__all__ = ["provide", "provide_offline", "provide_roles", "provide_roles_offline", "withdraw"]

_LOG: Final = logging.getLogger(__name__)

_INSUFFICIENT_PRIVILEGE: Final = "42501"

_STATE: Final = text("""
SELECT to_regnamespace('auth') IS NOT NULL AS there,
       coalesce(obj_description(to_regnamespace('auth'), 'pg_namespace') = :ours, false) AS ours
""")

_MISSING: Final = text("""
SELECT what
  FROM (VALUES ('table auth.users', :no_users OR to_regclass('auth.users') IS NOT NULL),
               ('function auth.uid()', to_regprocedure('auth.uid()') IS NOT NULL),
               ('function auth.role()', to_regprocedure('auth.role()') IS NOT NULL))
       AS needed (what, there)
 WHERE NOT there
""")

_MISSING_ROLES: Final = text("""
SELECT name
  FROM unnest(ARRAY['anon', 'authenticated', 'service_role']) AS needed (name)
 WHERE to_regrole(name) IS NULL
""")


def provide(connection: Connection, options: Options) -> None:
    """See to it that users, `auth.uid()`, `auth.role()` and the API roles exist.

    Raises:
        ConfigurationError: something is missing that is not ours to make, or that this role
            may not make; the message has the SQL for an administrator.
    """
    there, ours = connection.execute(_STATE, {"ours": STAND_IN_COMMENT}).one()
    if options.identity == "supabase" and not there:
        raise ConfigurationError(
            "identity=supabase, but this database has no schema auth: say identity=standalone "
            "to have a small stand-in made"
        )
    if there and not ours:
        provide_roles(connection, options)
        _require_all(connection, options)
    elif _missing(connection, options) or list(connection.scalars(_MISSING_ROLES)):
        _create(connection, CREATE_STAND_IN)
        _LOG.info(
            "Identity: made the schema auth (users, uid(), role(), jwt()) and the roles anon, "
            "authenticated and service_role, a stand-in for Supabase Auth."
        )


def provide_roles(connection: Connection, options: Options) -> None:
    """See to it that the API roles exist, which belong to the cluster and not to a schema.

    Raises:
        ConfigurationError: one is missing, and this role may not or shall not create it.
    """
    missing = list(connection.scalars(_MISSING_ROLES))
    if not missing:
        return
    if options.identity == "supabase":
        raise ConfigurationError(
            f"identity=supabase, but this server has no role {' and no role '.join(missing)}: "
            "say identity=standalone to have them made"
        )
    _create(connection, (CREATE_ROLES,))
    _LOG.info("Identity: made the roles %s, which cannot log in.", ", ".join(missing))


def _require_all(connection: Connection, options: Options) -> None:
    missing = _missing(connection, options)
    if missing:
        raise ConfigurationError(
            f"the schema auth of this database lacks {', '.join(missing)}, and exec_tracker "
            "never writes into a schema auth that it did not make. An administrator can "
            f"create what is missing, along these lines:\n{_script(CREATE_STAND_IN)}"
        )
    _LOG.info("Identity: using the schema auth that is there.")


def _missing(connection: Connection, options: Options) -> list[str]:
    no_users = options.users_table != DEFAULT_USERS_TABLE
    return list(connection.scalars(_MISSING, {"no_users": no_users}))


def _create(connection: Connection, statements: tuple[str, ...]) -> None:
    try:
        with connection.begin_nested():
            for statement in statements:
                connection.execute(text(statement))
    except DBAPIError as error:
        if sqlstate_of(error) != _INSUFFICIENT_PRIVILEGE:
            raise
        reason = str(error.orig).splitlines()[0]
        raise ConfigurationError(
            f"this role may not create the identity that the schema refers to ({reason}). "
            "Have an administrator run this once, then upgrade again:\n"
            + _script((*statements, *_grants(connection, statements)))
        ) from error


def _grants(connection: Connection, statements: tuple[str, ...]) -> tuple[str, ...]:
    """Let the migrating role refer to users that an administrator has made."""
    if statements is not CREATE_STAND_IN:
        return ()
    role = connection.scalar(text("SELECT quote_ident(current_user)"))
    return (
        f"GRANT USAGE ON SCHEMA auth TO {role}",
        f"GRANT REFERENCES ON auth.users TO {role}",
    )


def provide_offline(emit: Callable[[str], None], options: Options) -> None:
    """Emit the stand-in into a script where it was asked for; else assume what Supabase has."""
    if options.identity == "standalone":
        for statement in CREATE_STAND_IN:
            emit(statement)


def provide_roles_offline(emit: Callable[[str], None], options: Options) -> None:
    """Emit the roles into a script where they were asked for."""
    if options.identity == "standalone":
        emit(CREATE_ROLES)


def withdraw(emit: Callable[[str], None]) -> None:
    """Drop the stand-in where it is ours, without users, and nothing else depends on it.

    The roles stay: they belong to the whole cluster.
    """
    emit(DROP_STAND_IN)


def _script(statements: tuple[str, ...]) -> str:
    return "\n".join(f"{statement.strip()};" for statement in statements)

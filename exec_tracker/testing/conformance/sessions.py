"""What is left in the sessions that others use next, and what others may see."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from exec_tracker.models import WorkflowExecution
from exec_tracker.sqlstates import sqlstate_of, translate_connect
from exec_tracker.testing.conformance.verdicts import NotTriedError, demand
from exec_tracker.testing.roles import assume

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.testing.conformance.site import Site

__all__ = ["other_users_see_nothing", "settings_now", "settings_stay_as_they_were"]

# What the protocol sets for a statement, and what drivers and poolers set for a session. All
# connections are asked at the same time, so that a pooler asks many of its own.
_SETTINGS: Final = text("""
WITH pause AS MATERIALIZED (SELECT pg_sleep(0.02))
SELECT name, setting FROM pg_settings, pause
 WHERE name IN ('lock_timeout', 'statement_timeout', 'synchronous_commit', 'search_path', 'jit',
                'default_transaction_isolation', 'default_transaction_read_only', 'role')
 ORDER BY name
""")
_STATEMENTS: Final = 10
_DENIED: Final = "42501"
_NO_ROLE: Final = frozenset({_DENIED, "22023", "42704"})


def settings_stay_as_they_were(site: Site) -> str:
    """Compare the sessions' settings before anything was done and after every kind of statement."""
    for _ in range(_STATEMENTS):
        site.at_once(partial(site.tracker.execute, site.options(), lambda: "done"))
        in_transaction = site.options()
        site.tracker.execute_in_transaction(in_transaction, lambda _: "done")
        with site.session() as session:
            site.tracker.execute_in_transaction(site.options(), lambda _: "done", session=session)
            session.commit()
    changed = settings_now(site) - site.settings_before
    demand(not changed, f"a session was left with {', '.join(sorted(map('='.join, changed)))}")
    return ""


def settings_now(site: Site) -> set[tuple[str, str]]:
    """Ask many connections at the same time for the settings that may be left behind."""

    def look() -> set[tuple[str, str]]:
        with site.transaction() as connection:
            return {(row.name, row.setting) for row in connection.execute(_SETTINGS)}

    found: set[tuple[str, str]] = set()
    for answer in site.at_once(look):
        if isinstance(answer, DBAPIError) and sqlstate_of(answer) is None:
            raise translate_connect(answer) from answer
        if isinstance(answer, Exception):
            raise answer
        found |= answer
    return found


def other_users_see_nothing(site: Site) -> str:
    """Read a row as its user, as another one, and as a visitor, the way an API does."""
    options = site.options()
    site.tracker.execute(options, lambda: "secret")
    key = options.execution_id
    demand(_seen(site, key, "authenticated", site.user_id) == 1, "its own user cannot read it")
    demand(_seen(site, key, "authenticated", uuid4()) == 0, "another user can read it")
    demand(_seen(site, key, "anon", None) == 0, "a visitor can read it")
    return ""


def _seen(site: Site, key: str, role: str, user_id: UUID | None) -> int:
    rows = select(func.count()).where(WorkflowExecution.id == key)
    with site.engine.connect() as connection:
        connection.execution_options(schema_translate_map={None: site.schema})
        try:
            assume(connection, role, user_id)
        except DBAPIError as error:
            if sqlstate_of(error) in _NO_ROLE:
                raise NotTriedError(f"this account cannot become {role}") from error
            raise
        try:
            counted: Any = connection.scalar(rows)
        except DBAPIError as error:
            if sqlstate_of(error) == _DENIED:
                return 0
            raise
        return int(counted)

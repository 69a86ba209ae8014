"""The database as a tracker reaches it: statements in autocommit, sessions, renewals of leases."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import sessionmaker

from exec_tracker.connections import checkout, leave_alone, retire, run_in_autocommit
from exec_tracker.errors import SchemaTooNewError
from exec_tracker.keeping import KeptConnections
from exec_tracker.repository import ExecutionRepository
from exec_tracker.sqlstates import migration_required, translate
from exec_tracker.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from sqlalchemy import Engine
    from sqlalchemy.pool import Pool

    from exec_tracker.leases import Renewal

# The protocol this library speaks. A schema revision that an older library would misuse says so in
# the comment of the attempts table; any other newer schema works, as rolling deployments need.
PROTOCOL = 1
_NEEDS = re.compile(r"Needs library protocol (\d+)")


class Database:
    """Runs core functions on connections of one engine; opens nothing before the first.

    Blocking calls, on a sync engine; the async tracker makes the same calls in a greenlet, on its
    engine's sync side. The engine is not disposed here.
    """

    def __init__(
        self, engine: Engine, schema: str | None, *, owned: bool = False, keeps: bool = False
    ) -> None:
        """Borrow the engine, or take it over where it is `owned`; `keeps` says whether to hold on.

        Who keeps connections has them ready for the next statement, which an event loop cannot.
        """
        self.engine = engine
        self._kept = KeptConnections(engine, schema) if keeps else None
        self._run = self._borrow if self._kept is None else self._kept.run
        self._owned_by = os.getpid() if owned else None
        self.schema = schema
        self._schema_fits = False
        self._renewal_pool: tuple[int, Pool] | None = None

    def ask(self, core: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Call a core function with a repository on an autocommitted connection.

        The first call checks the schema and raises MigrationRequiredError or SchemaTooNewError.
        """
        if not self._schema_fits:
            self._run(check_schema, self.schema)
            self._schema_fits = True
        return self._run(core, *arguments, **keywords)

    def _borrow(self, core: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        self._leave_parent()
        engine = self.engine
        return run_in_autocommit(
            engine.raw_connection, engine.dialect, self.schema, core, *arguments, **keywords
        )

    def query(self, core: Callable[..., Any], **keywords: Any) -> Any:
        """Call a core function with a session, in a transaction that is rolled back."""
        self._leave_parent()
        with checkout(self.engine.connect, self.engine.dialect) as connection:
            if self.schema is not None:
                connection.execution_options(schema_translate_map={None: self.schema})
            with UnitOfWork(sessionmaker(connection), schema=self.schema) as work:
                if not self._schema_fits:
                    check_schema(work.executions, self.schema)
                    self._schema_fits = True
                try:
                    return core(work.session, **keywords)
                except (DBAPIError, OSError) as exc:
                    raise translate(exc, self.schema) from exc

    def renew(self, claims: Sequence[Renewal]) -> dict[UUID, bool]:
        """Renew leases on a connection that the host's pool cannot run out of."""
        connect = self._own_pool().connect
        return run_in_autocommit(
            connect, self.engine.dialect, self.schema, ExecutionRepository.renew, claims
        )

    def retire(self) -> None:
        """Close what was opened on an engine of our own: what is in use when it is given back."""
        if self._kept is not None:
            self._kept.close()
        if self._owned_by is not None:
            self._leave_parent()
            retire(self.engine)

    def close(self) -> None:
        """Close the connection that renewals used, if it was made in this process."""
        used, self._renewal_pool = self._renewal_pool, None
        if used is not None and used[0] == os.getpid():
            used[1].dispose()

    def _leave_parent(self) -> None:
        """After a fork, begin with a pool of one's own; the inherited one may be locked for good.

        A host's engine is the host's to dispose; its connections are guarded one by one.
        """
        if self._owned_by is not None and self._owned_by != os.getpid():
            self._owned_by = os.getpid()
            leave_alone(self.engine.pool)
            self.engine.dispose(close=False)

    def _own_pool(self) -> Pool:
        used = self._renewal_pool
        if used is None or used[0] != os.getpid():
            used = self._renewal_pool = (os.getpid(), self.engine.pool.recreate())
        return used[1]


def check_schema(executions: ExecutionRepository, schema: str | None) -> None:
    """Raise MigrationRequiredError or SchemaTooNewError where the schema does not fit."""
    present, note = executions.schema_note()
    if not present:
        raise migration_required(
            "has no exec_tracker tables, or only those of an older version", schema
        )
    needed = _NEEDS.search(note or "")
    if needed and int(needed[1]) > PROTOCOL:
        raise SchemaTooNewError(
            f"The database's schema needs protocol {needed[1]}, and this exec_tracker speaks "
            f"{PROTOCOL}. Upgrade the package: `pip install --upgrade exec_tracker`."
        )

"""One transaction: rolled back unless it is committed, and closed at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from exec_tracker.errors import ConfigurationError
from exec_tracker.repository import ExecutionRepository

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker


def repository_of(session: Session, schema: str | None = None) -> ExecutionRepository:
    """Bind a repository to the transaction that a session has open, opening one if needed."""
    connection = session.connection()
    driver = connection.connection.dbapi_connection
    if driver is None:  # pragma: no cover # an open session has its connection
        raise ConfigurationError("The session has no database connection.")
    return ExecutionRepository(driver, connection.dialect, schema=schema)


class UnitOfWork:
    """Use as a context manager: what is not committed when it ends is rolled back.

    Owns its session, not the engine. `executions` is the repository in this transaction, `session`
    is for the host's own statements in the same one.
    """

    session: Session
    executions: ExecutionRepository

    def __init__(self, bind: Engine | sessionmaker[Session], *, schema: str | None = None) -> None:
        """Make sessions from `bind`; nothing is opened before the context is entered."""
        self._factory = sessionmaker(bind) if isinstance(bind, Engine) else bind
        self._schema = schema

    def __enter__(self) -> Self:
        """Open the session."""
        self.session = self._factory()
        self.executions = repository_of(self.session, self._schema)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Roll back what was not committed, and close."""
        self.session.close()

    def commit(self) -> None:
        """Commit the transaction; the next statement begins another."""
        self.session.commit()

    def rollback(self) -> None:
        """Undo everything since the last commit."""
        self.session.rollback()


class AsyncUnitOfWork:
    """The same over an AsyncSession; run repository methods with `await uow.run(method, …)`."""

    session: AsyncSession

    def __init__(
        self,
        bind: AsyncEngine | async_sessionmaker[AsyncSession],
        *,
        schema: str | None = None,
    ) -> None:
        """Make sessions from `bind`; nothing is opened before the context is entered."""
        from sqlalchemy.ext.asyncio import (  # noqa: PLC0415 # needs greenlet, an extra
            AsyncEngine,
            async_sessionmaker,
        )

        self._factory = async_sessionmaker(bind) if isinstance(bind, AsyncEngine) else bind
        self._schema = schema

    async def __aenter__(self) -> Self:
        """Open the session."""
        self.session = self._factory()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Roll back what was not committed, and close."""
        await self.session.close()

    async def run(self, method: Any, *arguments: Any, **keywords: Any) -> Any:
        """Run an ExecutionRepository method, such as `ExecutionRepository.read`, in it."""

        def call(session: Session) -> Any:
            return method(repository_of(session, self._schema), *arguments, **keywords)

        return await self.session.run_sync(call)

    async def commit(self) -> None:
        """Commit the transaction; the next statement begins another."""
        await self.session.commit()

    async def rollback(self) -> None:
        """Undo everything since the last commit."""
        await self.session.rollback()

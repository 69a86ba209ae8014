"""A host application on one database: its engine, sessions of its own, and a tracker on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Text, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from exec_tracker import AsyncExecutionTracker, ExecutionTracker
from tests.support.subjects import LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy.engine import URL

    Work = Callable[[Session], Any]

SYNC: Final = {"sync-psycopg2": "psycopg2", "sync-psycopg3": "psycopg"}
ASYNC: Final = {"async-psycopg3": "psycopg", "async-asyncpg": "asyncpg"}
HOSTS: Final = (*SYNC, *ASYNC)


class HostBase(DeclarativeBase):
    """The host's own tables."""


class Entry(HostBase):
    """One line of the host's ledger."""

    __tablename__ = "ledger"
    id: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[str] = mapped_column(Text, unique=True)


def writing(*notes: str, result: Any = "done", raises: BaseException | None = None) -> Work:
    """Make a function that writes these notes through its session, and then returns or raises."""

    def work(session: Session) -> Any:
        session.add_all([Entry(note=note) for note in notes])
        session.flush()
        if raises is not None:
            raise raises
        return result

    return work


def careless(session: Session) -> str:
    """Write, fail in the database, and go on as if nothing had happened."""
    writing("a")(session)
    with suppress(DBAPIError):
        session.execute(text("SELECT 1 / 0"))
    return "done"


class HostSession(ABC):
    """A session that the host opened; all calls block."""

    @abstractmethod
    def run(self, work: Work) -> Any:
        """Do the host's own work in its transaction."""

    @abstractmethod
    def execute_in_transaction(self, options: Any, work: Work, **settings: Any) -> Any:
        """Run work under a key in the host's transaction."""

    def write(self, *notes: str) -> None:
        """Write notes of the host's own."""
        self.run(writing(*notes))

    def commit(self) -> None:
        """Commit as the host."""
        self.run(Session.commit)

    def rollback(self) -> None:
        """Roll back as the host."""
        self.run(Session.rollback)


class Host(ABC):
    """The host; its executors are written for a sync session, whichever kind the tracker is."""

    def __init__(self, driver: str) -> None:
        self.driver = driver

    @abstractmethod
    def execute_in_transaction(self, options: Any, work: Work, **settings: Any) -> Any:
        """Run work under a key in a session of the tracker's own."""

    @abstractmethod
    def call(self, verb: str, *arguments: Any, **keywords: Any) -> Any:
        """Call another method of the tracker."""

    @abstractmethod
    def session(self, **keywords: Any) -> Any:
        """Open a session of the host's, as a context manager."""

    @abstractmethod
    def close(self) -> None:
        """Close the tracker and the engine."""


class SyncHostSession(HostSession):
    def __init__(self, tracker: ExecutionTracker, session: Session) -> None:
        self._tracker = tracker
        self._session = session

    def run(self, work: Work) -> Any:
        return work(self._session)

    def execute_in_transaction(self, options: Any, work: Work, **settings: Any) -> Any:
        execute: Any = self._tracker.execute_in_transaction
        return execute(options, work, session=self._session, **settings)


class SyncHost(Host):
    def __init__(self, driver: str, url: URL, engine: Mapping[str, Any]) -> None:
        super().__init__(driver)
        self._engine = create_engine(url, **engine)
        self._tracker = ExecutionTracker(self._engine)

    def execute_in_transaction(self, options: Any, work: Work, **settings: Any) -> Any:
        execute: Any = self._tracker.execute_in_transaction
        return execute(options, work, **settings)

    def call(self, verb: str, *arguments: Any, **keywords: Any) -> Any:
        return getattr(self._tracker, verb)(*arguments, **keywords)

    @contextmanager
    def session(self, **keywords: Any) -> Iterator[HostSession]:
        with Session(self._engine, **keywords) as session:
            yield SyncHostSession(self._tracker, session)

    def close(self) -> None:
        self._tracker.close()
        self._engine.dispose()


class AsyncHostSession(HostSession):
    def __init__(self, host: AsyncHost, session: AsyncSession) -> None:
        self._host = host
        self._session = session

    def run(self, work: Work) -> Any:
        return self._host.loop.run(self._session.run_sync(work))

    def execute_in_transaction(self, options: Any, work: Work, **settings: Any) -> Any:
        return self._host.execute_in_transaction(options, work, session=self._session, **settings)


class AsyncHost(Host):
    def __init__(self, driver: str, url: URL, engine: Mapping[str, Any]) -> None:
        super().__init__(driver)
        self.loop = LoopThread()
        self._engine = create_async_engine(url, **engine)
        self._tracker = AsyncExecutionTracker(self._engine)

    def execute_in_transaction(self, options: Any, work: Work, **settings: Any) -> Any:
        execute: Any = self._tracker.execute_in_transaction
        # One driver takes the plain function and the other a coroutine: both ways are tried.
        executor = _awaiting(work) if self.driver == "async-asyncpg" else work
        return self.loop.run(execute(options, executor, **settings))

    def call(self, verb: str, *arguments: Any, **keywords: Any) -> Any:
        return self.loop.run(getattr(self._tracker, verb)(*arguments, **keywords))

    @contextmanager
    def session(self, **keywords: Any) -> Iterator[HostSession]:
        session = AsyncSession(self._engine, **keywords)
        try:
            yield AsyncHostSession(self, session)
        finally:
            self.loop.run(session.close())

    def close(self) -> None:
        self.loop.run(self._tracker.aclose())
        self.loop.run(self._engine.dispose())
        self.loop.stop()


def _awaiting(work: Work) -> Callable[[AsyncSession], Any]:
    async def executor(session: AsyncSession) -> Any:
        return await session.run_sync(work)

    return executor


@contextmanager
def open_host(driver: str, url: str, **engine: Any) -> Iterator[Host]:
    """Yield a host whose engine has these options."""
    name = SYNC.get(driver) or ASYNC[driver]
    kind = SyncHost if driver in SYNC else AsyncHost
    host = kind(driver, make_url(url).set(drivername=f"postgresql+{name}"), engine)
    try:
        yield host
    finally:
        host.close()

"""Work inside a transaction that may be the host's: savepoints, restored settings, no surprises."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, UnboundExecutionError
from sqlalchemy.orm import Session

from exec_tracker.connections import checkout
from exec_tracker.errors import ConfigurationError, ExecTrackerError
from exec_tracker.repository import ExecutionRepository
from exec_tracker.sessions.loans import Loan, stands
from exec_tracker.sqlstates import translate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta

    from sqlalchemy.orm import SessionTransaction, sessionmaker

_READ_SETTINGS = text(
    "SELECT current_setting('lock_timeout'), current_setting('synchronous_commit')"
)
_RESTORE_SETTINGS = text(
    "SELECT set_config('lock_timeout', :lock_timeout, true),"
    "       set_config('synchronous_commit', :synchronous_commit, true)"
)


def plain_session(session: Any, kind: type[Any] = Session) -> Any:
    """Return the session behind a scoped one, or raise ConfigurationError for what is none."""
    if isinstance(session, kind):
        return session
    # scoped_session and async_scoped_session are called for the session of the moment; they have a
    # registry, which a sessionmaker has not.
    behind = session() if callable(session) and hasattr(session, "registry") else session
    if not isinstance(behind, kind):
        raise ConfigurationError(
            f"session= takes a {kind.__name__}, not {type(session).__name__}: pass the session "
            "itself, such as sessionmaker()."
        )
    return behind


def check_session(session: Session) -> None:
    """Raise ConfigurationError for a session in which a claim and its result could part.

    Several engines would split the commit; in autocommit there is no transaction to join. Raises
    TransientStorageError where the database cannot be reached, StorageError where it refuses.
    """
    # Private to Session before SQLAlchemy 2.1.
    binds = getattr(session, "binds", None) or getattr(session, "_Session__binds", {})
    if any(bind is not session.bind for bind in binds.values()):
        raise ConfigurationError(
            "The session is bound to several engines, so one commit cannot cover the claim and the "
            "function's writes. Use a session bound to the one engine that holds both."
        )
    try:
        dialect = session.get_bind().dialect
    except UnboundExecutionError:
        raise ConfigurationError(
            "The session is bound to no engine. Use a session bound to the one that holds "
            "workflow_executions."
        ) from None
    if dialect.name != "postgresql":
        raise ConfigurationError(
            f"exec_tracker needs PostgreSQL; this session is for {dialect.name}."
        )
    connection = checkout(session.connection, dialect)
    driver: Any = connection.connection.dbapi_connection
    if driver.autocommit:
        raise ConfigurationError(
            "The session is in AUTOCOMMIT, so there is no transaction to join. Use a session "
            "whose engine has a transactional isolation level."
        )


def in_savepoint(
    session: Session,
    schema: str | None,
    lock_timeout: timedelta,
    core: Callable[..., Any],
    *arguments: Any,
) -> Any:
    """Call a repository method in a savepoint, so that an error leaves the transaction usable.

    An error takes its locks and settings with it; afterwards `lock_timeout` and
    `synchronous_commit` are what they were, since they would govern the host's next statements.
    """
    with _translated():
        before = session.execute(_READ_SETTINGS).one()
        with session.begin_nested():
            answer = core(_repository(session, schema, lock_timeout), *arguments)
            session.execute(
                _RESTORE_SETTINGS, {"lock_timeout": before[0], "synchronous_commit": before[1]}
            )
        return answer


def _repository(
    session: Session, schema: str | None, lock_timeout: timedelta
) -> ExecutionRepository:
    connection = session.connection()
    driver: Any = connection.connection.dbapi_connection
    return ExecutionRepository(driver, connection.dialect, schema=schema, lock_timeout=lock_timeout)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ExecTrackerError:
        raise
    except (DBAPIError, OSError) as exc:
        raise translate(exc) from exc


def commit(session: Session) -> None:
    """Commit a transaction of our own."""
    with _translated():
        session.commit()


@contextmanager
def own_session(factory: sessionmaker[Session]) -> Iterator[Session]:
    """Open a session of our own, and close it at the end."""
    session = factory()
    try:
        yield session
    finally:
        close(session)


def close(session: Session) -> None:
    """Close a session of our own; where its connection breaks only now, drop that as well.

    What mattered was committed before, and a replay has nothing to commit: its result, or the
    caller's exception, must not give way to an error of cleaning up.
    """
    try:
        session.close()
    except (DBAPIError, OSError):
        session.invalidate()


def guard(session: Session) -> SessionTransaction:
    """Open a savepoint in the host's transaction, for all that the tracker does there."""
    check_session(session)
    return session.begin_nested()


def end_guard(session: Session, savepoint: SessionTransaction, *, keep: bool) -> None:
    """Keep what was done since `guard`, or leave nothing of it, no claim and no lock."""
    if not stands(session, savepoint):
        return
    if keep:
        savepoint.commit()
    else:
        savepoint.rollback()


def start_over(session: Session, *, broken: bool) -> None:
    """Drop a transaction of our own, and with it a connection that nobody can trust any more."""
    if not broken:
        try:
            session.rollback()
        except (DBAPIError, OSError):
            broken = True
    if broken:
        session.invalidate()


def lend(session: Session) -> Loan:
    """Open a savepoint for the user's writes."""
    with _translated():
        return Loan(session)


def keep(_session: Session, loan: Loan) -> None:
    """Keep what the user wrote."""
    loan.keep()


def undo(_session: Session, loan: Loan) -> bool:
    """Undo what the user wrote; tell whether the transaction is still there."""
    with _translated():
        return loan.undo()

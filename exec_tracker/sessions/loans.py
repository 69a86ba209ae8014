"""Lend a session to the user's function: a savepoint around its writes, watched over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import event, text

from exec_tracker.errors import TransactionControlError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session, SessionTransaction

_PROBE = text("SELECT 1")


class Loan:
    """A savepoint around the user's writes, and a watch that nobody ends more than that."""

    def __init__(self, session: Session) -> None:
        """Open the savepoint and start watching; `undo` or `keep` ends both."""
        self._session = session
        self._ending = False
        self._violated = False
        self._savepoint: SessionTransaction = session.begin_nested()
        self._connection = session.connection()
        event.listen(session, "before_commit", self._on_commit)
        # Also Connection.commit() below the session. What is sent as text is not seen.
        event.listen(self._connection, "commit", self._on_connection_commit)

    @property
    def is_lost(self) -> bool:
        """Whether SQLAlchemy knows that the connection is gone."""
        return self._connection.invalidated

    def keep(self) -> None:
        """Flush and keep the user's writes; raises TransactionControlError where it is too late."""
        self._check()
        self._session.flush()
        # A statement that failed and was swallowed shows now, while its savepoint can be undone.
        self._session.execute(_PROBE)
        self._ending = True
        self._savepoint.commit()
        self._stop_watching()

    def undo(self) -> bool:
        """Undo the user's writes; tell whether the transaction around them is still there."""
        self._stop_watching()
        is_open = stands(self._session, self._savepoint)
        if is_open:
            self._savepoint.rollback()
        else:
            # The user ended the transaction: whatever is open now, it began since.
            self._session.rollback()
        return is_open

    def _check(self) -> None:
        if self._violated or not stands(self._session, self._savepoint):
            raise TransactionControlError(
                "The function committed, rolled back or closed the session that it was lent. Leave "
                "that to the tracker; begin_nested() is the function's to use."
            )

    def _on_commit(self, session: Session) -> None:
        if not self._ending and session.get_nested_transaction() is self._savepoint:
            self._violated = True
            self._check()

    def _on_connection_commit(self, _connection: Connection) -> None:
        if not self._ending:
            self._violated = True
            self._check()

    def _stop_watching(self) -> None:
        if event.contains(self._connection, "commit", self._on_connection_commit):
            event.remove(self._connection, "commit", self._on_connection_commit)
        if event.contains(self._session, "before_commit", self._on_commit):
            event.remove(self._session, "before_commit", self._on_commit)


def stands(session: Session, savepoint: SessionTransaction) -> bool:
    """Tell whether a savepoint is open, itself or around others."""
    current = session.get_nested_transaction()
    while current is not None and current is not savepoint:
        current = current.parent
    return current is savepoint

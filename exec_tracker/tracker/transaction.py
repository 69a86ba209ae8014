"""The transactional mode as a block: the claim at its start, result and commit at its end."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from exec_tracker.flow import Lend, transaction_block
from exec_tracker.handles import TransactionState
from exec_tracker.nesting import entered
from exec_tracker.sessions import own_session

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy.orm import Session, sessionmaker

    from exec_tracker.flow import Plan
    from exec_tracker.tracker.driving import Driver


class TransactionBlock(TransactionState):
    """`with tracker.transaction(options) as block`: write with `block.session`, then `complete`.

    The block's writes, the claim and the result commit together at its end, in the tracker's own
    session; in the host's, they stand or fall with the host's commit. An exception undoes the
    writes and is recorded, as in `execute_in_transaction`. A block that is `cached` has nothing to
    do. It cannot be repeated after a serialization failure, as a function can: it raises.
    """

    session: Session

    def __init__(
        self,
        driver: Driver,
        plan: Plan,
        schema: str | None,
        sessions: sessionmaker[Session],
        session: Session | None,
    ) -> None:
        """Prepare; nothing is sent before the block is entered."""
        super().__init__()
        self._driver = driver
        self._plan = plan
        self._given, self._sessions = session, sessions
        self._flow = transaction_block(plan, schema, owned=session is None)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Claim the key, or find its outcome; raises as `execute_in_transaction` does."""
        with self._stack as stack:
            stack.enter_context(entered(self._plan.new.id))
            stack.enter_context(self._plan.watch)
            self.session = self._given or stack.enter_context(own_session(self._sessions))
            got = self._driver.drive(self._flow, self.session)
            if not isinstance(got, Lend):
                self._found(self._plan.watch.ended(got))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Store the result and commit, or undo the writes and record the failure."""
        with self._stack:
            if self.cached:
                return
            answer: Any = self._value if error is None else error
            step = self._flow.send if error is None else self._flow.throw
            try:
                self._ended(self._driver.drive(self._flow, self.session, step, answer))
            except BaseException as raised:
                self._plan.watch.end(raised)
                if raised is not error:
                    raise
            self._plan.watch.end()

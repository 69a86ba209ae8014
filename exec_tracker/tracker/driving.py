"""Drive a flow with blocking calls: the sync half of what every tracker does."""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import sessionmaker

from exec_tracker.connections import resolve_engine
from exec_tracker.database import Database
from exec_tracker.errors import ConfigurationError
from exec_tracker.flow import Ask, EscapedStopError, Invoke, Lend, Poll, Sleep, Within
from exec_tracker.instrumenting import Instrumented
from exec_tracker.leases import Heartbeat
from exec_tracker.polling import SharedReads
from exec_tracker.repository import ExecutionRepository

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from uuid import UUID

    from sqlalchemy import Engine
    from sqlalchemy.engine import URL
    from sqlalchemy.orm import Session

    from exec_tracker.flow import Command
    from exec_tracker.leases import HeldLease, Renewal


class Driver(Instrumented):
    """Own what a tracker works with: its engine where it made one, its heartbeat, shared reads."""

    def __init__(
        self, bind: Engine | sessionmaker[Session] | URL | str, *, schema: str | None
    ) -> None:
        """Open nothing yet; raises ConfigurationError for a bind that cannot work."""
        engine, owns = resolve_engine(bind)
        self._sessions = bind if isinstance(bind, sessionmaker) else sessionmaker(engine)
        self._database = Database(engine, schema, owned=owns, keeps=owns)
        self._closed = False
        self._reads = SharedReads(lambda id_: self._database.ask(ExecutionRepository.read, id_))
        self._heartbeat = Heartbeat(self._renew, self._database.close)

    def close(self) -> None:
        """Stop the heartbeat and dispose of what the tracker made itself; never the host's engine.

        Returns at once. Work that is running goes on, is kept alive and stores its result; new
        calls raise ConfigurationError.
        """
        self._closed = True
        self._heartbeat.stop()
        self._database.retire()

    def drive(
        self,
        flow: Generator[Command, Any, Any],
        session: Session | None = None,
        step: Callable[[Any], Command] | None = None,
        answer: Any = None,
    ) -> Any:
        """Give a flow what it asks for until it returns; its exceptions are the caller's.

        Returns a Lend without a function, so that a block can be entered; with `step` and `answer`
        the flow goes on from there.
        """
        step = step or flow.send
        while True:
            try:
                command = step(answer)
            except StopIteration as done:
                return done.value
            except EscapedStopError as escaped:
                raise escaped.error from None
            if type(command) is Lend and command.function is None:
                return command
            try:
                answer, step = self._answer(command, session), flow.send
            except BaseException as exc:  # noqa: BLE001 # the flow decides about all of them
                answer, step = exc, flow.throw

    def _answer(self, command: Command, session: Session | None) -> Any:
        if type(command) is Ask:  # most of all
            return self._database.ask(command.method, *command.arguments)
        match command:
            case Invoke(function, context):
                command.started = True
                return _without_coroutine(function(context))
            case Sleep(seconds):
                time.sleep(seconds)
                return None
            case Poll(execution_id, freshness):
                return self._reads.read(execution_id, freshness)
            case Within(core, arguments):
                return core(session, *arguments)
            case Lend(function) if function is not None:
                return _without_coroutine(function(session))

    def _renew(self, claims: Sequence[Renewal]) -> dict[UUID, bool]:
        with self._renewing(claims) as answer:
            answer.update(self._database.renew(claims))
        return answer

    def _query(self, core: Callable[..., Any], **keywords: Any) -> Any:
        self.check_open()
        return self._database.query(core, **keywords)

    def ask(self, core: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Call a core function with a repository on an autocommitted connection."""
        self.check_open()
        return self.finish(core, *arguments, **keywords)

    def finish(self, core: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Do the same for work that began before the tracker was closed."""
        return self._database.ask(core, *arguments, **keywords)

    def quiesce(self, lease: HeldLease) -> None:
        """Stop renewing a lease, and wait for a renewal that is on its way."""
        self._heartbeat.quiesce(lease)

    def check_open(self) -> None:
        """Raise ConfigurationError once the tracker is closed."""
        if self._closed:
            raise ConfigurationError("This tracker is closed; make another one.")


def _without_coroutine(value: Any) -> Any:
    """Return what a function returned, unless it is work that nobody here would ever do."""
    if inspect.iscoroutine(value):
        value.close()
        raise ConfigurationError(
            "The function returned a coroutine, which this tracker cannot await; it was closed, "
            "and nothing of it has run. Use AsyncExecutionTracker, or asyncio.run() within it."
        )
    return value

"""Drive a flow with blocking calls: the sync half of what every tracker does."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

from exec_tracker import recovery
from exec_tracker.connections import autocommitted, resolve_engine
from exec_tracker.errors import ConfigurationError
from exec_tracker.flow import Ask, EscapedStopError, Invoke, Poll, Sleep
from exec_tracker.leases import Heartbeat
from exec_tracker.polling import SharedReads
from exec_tracker.repository import ExecutionRepository
from exec_tracker.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from uuid import UUID

    from sqlalchemy import Engine
    from sqlalchemy.engine import URL
    from sqlalchemy.orm import Session, sessionmaker
    from sqlalchemy.pool import Pool

    from exec_tracker.flow import Command
    from exec_tracker.leases import Renewal
    from exec_tracker.policies import ExecutionEvent

_log = logging.getLogger("exec_tracker")


class Driver:
    """Own what a tracker works with: its engine where it made one, its heartbeat, shared reads."""

    def __init__(
        self, bind: Engine | sessionmaker[Session] | URL | str, *, schema: str | None
    ) -> None:
        """Open nothing yet; raises ConfigurationError for a bind that cannot work."""
        self._engine, self._owns_engine = resolve_engine(bind)
        self._schema = schema
        self._schema_fits = False
        self._closed = False
        self._renewal_pool: tuple[int, Pool] | None = None
        self._reads = SharedReads(lambda id_: self._ask(ExecutionRepository.read, id_))
        self._heartbeat = Heartbeat(self._renew)

    def close(self) -> None:
        """Stop the heartbeat and dispose of what the tracker made itself; never the host's engine.

        Returns at once. Work that is running goes on, is kept alive and stores its result; new
        calls raise ConfigurationError.
        """
        self._closed = True
        self._heartbeat.stop()
        if self._owns_engine:
            self._engine.dispose()

    def _drive(self, flow: Generator[Command, Any, Any]) -> Any:
        """Give a flow what it asks for until it returns; its exceptions are the caller's."""
        self._check_open()
        answer: Any = None
        step: Callable[[Any], Command] = flow.send
        while True:
            try:
                command = step(answer)
            except StopIteration as done:
                return done.value
            except EscapedStopError as escaped:
                raise escaped.error from None
            try:
                answer, step = self._answer(command), flow.send
            except BaseException as exc:  # noqa: BLE001 # the flow decides about all of them
                answer, step = exc, flow.throw

    def _answer(self, command: Command) -> Any:
        match command:
            case Ask(method, arguments):
                return self._ask(method, *arguments)
            case Invoke(function, context):
                command.started = True
                return function(context)
            case Sleep(seconds):
                time.sleep(seconds)
                return None
            case Poll(execution_id, freshness):
                return self._reads.read(execution_id, freshness)

    def _ask(self, core: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Call a core function with a repository on an autocommitted connection."""
        engine = self._engine
        with autocommitted(engine.raw_connection, engine.dialect, self._schema) as executions:
            if not self._schema_fits:
                recovery.check_schema(executions)
                self._schema_fits = True
            return core(executions, *arguments, **keywords)

    def _query(self, core: Callable[..., Any], **keywords: Any) -> Any:
        """Call a core function with a session, in a transaction that is rolled back."""
        self._check_open()
        with UnitOfWork(self._engine, schema=self._schema) as work:
            return core(work.session, **keywords)

    def _verb(self, core: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        self._check_open()
        return self._ask(core, *arguments, **keywords)

    def _check_open(self) -> None:
        if self._closed:
            raise ConfigurationError("This tracker is closed; make another one.")

    def _renew(self, claims: Sequence[Renewal]) -> dict[UUID, bool]:
        """Renew leases on a connection that the host's pool cannot run out of."""
        pool = self._own_pool()
        with autocommitted(pool.connect, self._engine.dialect, self._schema) as executions:
            return executions.renew(claims)

    def _own_pool(self) -> Pool:
        if self._renewal_pool is None or self._renewal_pool[0] != os.getpid():
            self._renewal_pool = (os.getpid(), self._engine.pool.recreate())
        return self._renewal_pool[1]

    @staticmethod
    def _observed(
        observe: Callable[[ExecutionEvent], None] | None,
    ) -> Callable[[ExecutionEvent], None] | None:
        """Keep a host's observer from disturbing what it observes."""
        if observe is None:
            return None

        def safely(event: ExecutionEvent) -> None:
            try:
                observe(event)
            except Exception:
                _log.exception("on_event raised for %s", event)

        return safely

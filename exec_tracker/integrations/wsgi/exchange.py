"""One response under a claim: collected and stored, then given to the server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Self

from exec_tracker.errors import ExecTrackerError
from exec_tracker.integrations.http.deciding import (
    Completed,
    broken_off,
    ending_of,
    is_streamed,
    unfinished,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exec_tracker.integrations.http.deciding import Ending
    from exec_tracker.integrations.http.policy import IdempotencyPolicy
    from exec_tracker.integrations.http.stored import Omission
    from exec_tracker.integrations.wsgi.protocol import Environ, StartResponse, Write, WSGIApp
    from exec_tracker.tracker import Claim

_log = logging.getLogger("exec_tracker")


class Exchange:
    """Takes an application's response in the server's place."""

    def __init__(
        self, claim: Claim, policy: IdempotencyPolicy, start_response: StartResponse
    ) -> None:
        self._claim: Claim | None = claim
        self._policy = policy
        self._start_response = start_response
        self._started: tuple[Any, ...] | None = None
        self._begun = False
        self._write: Write | None = None
        self._chunks: list[bytes] = []
        self._size = 0
        self._omitted: Omission | None = None

    def run(self, app: WSGIApp, environ: Environ) -> Iterable[bytes]:
        """Run the application; what it raises is recorded and goes on."""
        source: Iterable[bytes] = ()
        try:
            source = app(environ, self._start)
            iterator = iter(source)
            for chunk in iterator:
                self._keep(chunk)
                if self._omitted is not None:
                    return self._passed_on(source, iterator)
        except BaseException as exc:
            self.fail(exc)
            _close(source)
            raise
        self.store()
        return self._passed_on(source, iter(()))

    def store(self) -> None:
        """Store what came of it, unless that is done."""
        ending = self._ending()
        self._finish(ending.result if isinstance(ending, Completed) else ending.error)

    def fail(self, error: BaseException) -> None:
        """Record what the application raised, unless its response is stored."""
        if self._begun and isinstance(error, Exception):
            error = broken_off(self._ending(), error)
        self._finish(error)

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Write:
        if self._begun:  # too late to change it, as the server will say
            return self._start_response(status, headers, exc_info)
        self._started = (status, headers)
        if is_streamed(self._policy, tuple(headers)):
            self._omitted = "streamed"
        return self._written

    def _written(self, data: bytes) -> None:
        """Take what is written rather than returned, as old applications do."""
        if self._write is None:
            self._keep(data)
            if self._omitted is None:
                return
            self._write = self._begin()
            data = b"".join(self._chunks)
            self._chunks = []
        self._write(data)

    def _keep(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._omitted is None and self._size > self._policy.max_response_bytes:
            self._omitted = "too_large"

    def _passed_on(self, source: Iterable[bytes], rest: Iterator[bytes]) -> Iterable[bytes]:
        if not self._begun and self._started is not None:
            self._begin()
        return _Passed(self, self._chunks, rest, source)

    def _begin(self) -> Write:
        assert self._started is not None  # noqa: S101 # the application has begun its response
        self._begun = True
        return self._start_response(*self._started)

    def _ending(self) -> Ending:
        if self._started is None:
            return unfinished()
        status, headers = self._started
        body = b"" if self._omitted else b"".join(self._chunks)
        return ending_of(self._policy, int(status[:3]), tuple(headers), body, self._omitted)

    def _finish(self, outcome: dict[str, Any] | BaseException) -> None:
        """Store the outcome. Where that fails the client still gets the handler's response."""
        held, self._claim = self._claim, None
        if held is None:
            return
        try:
            if isinstance(outcome, BaseException):
                held.fail(outcome)
            else:
                held.complete(outcome)
        except ExecTrackerError as exc:
            _log.error("The handler has run, and its response is not stored: %s", exc)


class _Passed:
    """What the server sends: what was collected, then the rest as it comes."""

    def __init__(
        self,
        exchange: Exchange,
        collected: list[bytes],
        rest: Iterator[bytes],
        source: Iterable[bytes],
    ) -> None:
        self._exchange = exchange
        self._collected = iter(collected)
        self._rest = rest
        self._source = source

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        for chunk in self._collected:
            return chunk
        try:
            return next(self._rest)
        except StopIteration:
            self._exchange.store()
            raise
        except BaseException as exc:
            self._exchange.fail(exc)
            raise

    def close(self) -> None:
        """End it, also where the client has left: what a cut stream reports has been done."""
        try:
            self._exchange.store()
        finally:
            _close(self._source)


def _close(source: Iterable[bytes]) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()

"""One request under a key: claim it, hold the response back until it is stored, then send it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from exec_tracker.errors import ConfigurationError, ExecTrackerError
from exec_tracker.integrations.asgi.body import RequestBody
from exec_tracker.integrations.asgi.claims import claim
from exec_tracker.integrations.asgi.protocol import (
    header_lines,
    hide_extensions,
    request_of,
    response_headers,
)
from exec_tracker.integrations.http.deciding import (
    Completed,
    Failed,
    broken_off,
    check_length,
    ending_of,
    is_streamed,
    refusal_of,
    unfinished,
)
from exec_tracker.integrations.http.identifying import options_of
from exec_tracker.integrations.http.messages import AnsweredError
from exec_tracker.integrations.http.stored import replay

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.aio import AsyncExecutionTracker
    from exec_tracker.context import ExecutionContext
    from exec_tracker.integrations.asgi.claims import OpenClaim
    from exec_tracker.integrations.asgi.protocol import ASGIApp, Message, Receive, Scope, Send
    from exec_tracker.integrations.http.deciding import Ending
    from exec_tracker.integrations.http.policy import IdempotencyPolicy
    from exec_tracker.integrations.http.stored import Omission
    from exec_tracker.tracker import ExecutionTracker

_log = logging.getLogger("exec_tracker")


class Exchange:
    """Stands between server and application for one request.

    Before `begin`, and without a claim, all messages pass. Under a claim the response is held until
    its outcome is stored; one that outgrows the policy's bound is passed on from there.
    """

    def __init__(
        self,
        tracker: AsyncExecutionTracker | ExecutionTracker,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        limit: int,
    ) -> None:
        self.scope = scope
        hide_extensions(scope)
        self._tracker = tracker
        self._receive = receive
        self._send = send
        self._body = RequestBody(receive, limit)
        self._claim: OpenClaim | None = None
        self._policy: IdempotencyPolicy | None = None
        self._start: Message | None = None
        self._held: list[Message] = []
        self._size = 0
        self._failure: Failed | None = None
        self._omitted: Omission | None = None
        self._client_left = False
        self._may_hear = asyncio.Event()

    @property
    def is_claimed(self) -> bool:
        """Whether an outcome is still to be stored."""
        return self._claim is not None

    async def begin(
        self, policy: IdempotencyPolicy, key: str, user_id: UUID | str
    ) -> ExecutionContext:
        """Claim the key for this request, and return what its handler may know.

        Raises AnsweredError with the response to send instead, or what no client should see:
        UnknownUserError, SchemaError, ConfigurationError.
        """
        if self._policy is not None:
            raise ConfigurationError("This request has begun under a key already: mark it once.")
        for length in header_lines(self.scope, "content-length"):
            check_length(policy, int(length) if length.isdecimal() else 0)
        body = await self._body.whole(policy)
        options = options_of(policy, request_of(self.scope, body), key, user_id)
        try:
            made = await claim(self._tracker, options, **policy.settings)
        except ExecTrackerError as exc:
            response = refusal_of(exc, policy)
            if response is None:
                raise
            if response.status >= 500:  # noqa: PLR2004 # the client is not to blame: tell the host
                _log.warning("No key could be claimed: %s", exc)
            raise AnsweredError(response) from exc
        if made.cached:
            raise AnsweredError(replay(made.result, policy))
        self._claim, self._policy = made, policy
        return made.context

    async def serve(self, app: ASGIApp) -> None:
        """Run the application; what it raises is recorded and goes on."""
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as exc:
            await self._end_by(exc)
            if self._failure is not None:
                await self._let_go()
            raise
        if self._claim is not None:
            returned = unfinished() if self._omitted is None else self._ending()
            await self._store(self._failure or returned)
            await self._let_go()

    async def receive(self) -> Message:
        """Give the application its body, and no disconnect while its response is held."""
        if self._claim is None or not self._body.is_read:
            return await self._body.next_message()
        await self._may_hear.wait()
        if self._failure is not None:  # a whole response was sent, for all the application knows
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._client_left |= message["type"] == "http.disconnect"
        return message

    async def send(self, message: Message) -> None:
        """Take the application's response."""
        if self._claim is None or self._policy is None:
            await self._send(message)
            return
        match message["type"]:
            case "http.response.start":
                self._start = message
                self._held.append(message)
                if is_streamed(self._policy, response_headers(message)):
                    self._pass_on("streamed")
                    await self._let_go()
            case "http.response.body":
                await self._take(message, self._policy)
            case _:
                await self._send(message)

    async def _take(self, message: Message, policy: IdempotencyPolicy) -> None:
        self._held.append(message)
        self._size += len(message.get("body", b""))
        if self._omitted is None and self._size > policy.max_response_bytes:
            self._pass_on("too_large")
        is_last = not message.get("more_body", False)
        if is_last and self._start is not None:
            ending = self._ending()
            if isinstance(ending, Failed):
                # An exception may follow, as from frameworks that answer 500 and raise it: it says
                # more, and may be one of those after which nobody knows.
                self._failure = ending
                self._may_hear.set()
                return
            await self._store(ending)
        if is_last or self._omitted is not None:
            await self._let_go()

    def _pass_on(self, why: Omission) -> None:
        """Stop holding; from here on a stream must hear that its client has left."""
        self._omitted = why
        self._may_hear.set()

    def _ending(self) -> Ending:
        assert self._start is not None  # noqa: S101 # callers have seen the response begin
        assert self._policy is not None  # noqa: S101 # as there is a claim
        body = b"".join(one.get("body", b"") for one in self._held) if not self._omitted else b""
        headers = response_headers(self._start)
        return ending_of(self._policy, self._start["status"], headers, body, self._omitted)

    async def _end_by(self, error: BaseException) -> None:
        """Record what the application raised, unless its response is stored already."""
        if self._claim is None:
            return
        if self._omitted is None or not isinstance(error, Exception):
            await self._finish(error)
        elif self._client_left:  # it was cut because nobody listens: what it reports has been done
            await self._store(self._ending())
        else:
            await self._finish(broken_off(self._ending(), error))

    async def _store(self, ending: Ending) -> None:
        await self._finish(ending.result if isinstance(ending, Completed) else ending.error)

    async def _finish(self, outcome: dict[str, Any] | BaseException) -> None:
        """Store the outcome. Where that fails the client still gets the handler's response."""
        held, self._claim = self._claim, None
        self._may_hear.set()
        if held is None:
            return
        try:
            if isinstance(outcome, BaseException):
                await held.fail(outcome)
            else:
                await held.complete(outcome)
        except ExecTrackerError as exc:
            _log.error("The handler has run, and its response is not stored: %s", exc)

    async def _let_go(self) -> None:
        """Send what was held."""
        held, self._held = self._held, []
        try:
            for message in held:
                await self._send(message)
        except OSError:
            self._client_left = True
            raise

"""ASGI middleware for the Idempotency-Key header; needs the extra `exec_tracker[http]`."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any

from exec_tracker.integrations.asgi.claims import check_tracker
from exec_tracker.integrations.asgi.exchange import Exchange
from exec_tracker.integrations.asgi.protocol import header_lines, respond, route_path
from exec_tracker.integrations.http import HEADER, IdempotencyPolicy
from exec_tracker.integrations.http.deciding import unauthenticated
from exec_tracker.integrations.http.key import idempotency_key
from exec_tracker.integrations.http.messages import AnsweredError
from exec_tracker.integrations.http.routes import PolicyTable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from uuid import UUID

    from exec_tracker.aio import AsyncExecutionTracker
    from exec_tracker.integrations.asgi.protocol import ASGIApp, Receive, Scope, Send
    from exec_tracker.tracker import ExecutionTracker

    UserId = UUID | str | None

__all__ = ["CONTEXT", "IdempotencyMiddleware"]

CONTEXT = "exec_tracker.execution"
"""Where a handler finds the ExecutionContext of its run, in the scope."""

_log = logging.getLogger("exec_tracker")
# A loop keeps weak references only; what runs on behind a lost client must not be collected.
_running: set[asyncio.Task[None]] = set()


class IdempotencyMiddleware:
    """Runs the application once per Idempotency-Key, and replays its response.

    `user_id(scope)` returns the id of the authenticated user, whose own the keys are, or None where
    there is nobody, which is answered 401 with `challenge`; it may be `async`. `policy` is one for
    all paths, or one for each of some, as in `{"/orders/{id}/pay": IdempotencyPolicy()}`. With an
    ExecutionTracker the database is used in threads, and no request can wait for another.

    The response is stored before it is sent. A client that disconnects changes nothing: handler
    and storing go on. What the application raises is recorded and raised. Put it inside whatever
    compresses responses or adds to them, so that this is done to a replay anew.
    """

    def __init__(
        self,
        app: ASGIApp,
        tracker: AsyncExecutionTracker | ExecutionTracker,
        *,
        user_id: Callable[[Scope], UserId | Awaitable[UserId]],
        policy: IdempotencyPolicy | Mapping[str, IdempotencyPolicy] | None = None,
        challenge: str = "Bearer",
    ) -> None:
        """Wrap an application; raises ConfigurationError for what cannot work."""
        self._policies = PolicyTable(IdempotencyPolicy() if policy is None else policy)
        check_tracker(tracker, *self._policies.policies)
        self._app = app
        self._tracker = tracker
        self._user_id = user_id
        self._challenge = challenge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        policy = None
        if scope["type"] == "http":
            policy = self._policies.policy_for(scope["method"], route_path(scope))
        if policy is None:
            await self._app(scope, receive, send)
            return
        try:
            key = idempotency_key(header_lines(scope, HEADER), policy)
        except AnsweredError as answered:
            await respond(send, answered.response)
            return
        if key is None:
            await self._app(scope, receive, send)
            return
        limit = policy.max_request_bytes
        exchange = Exchange(self._tracker, scope, receive, send, limit=limit)
        await shielded(exchange, self._run(exchange, policy, key, send))

    async def _run(
        self, exchange: Exchange, policy: IdempotencyPolicy, key: str, send: Send
    ) -> None:
        try:
            user_id = await self._user(exchange.scope, policy)
            exchange.scope[CONTEXT] = await exchange.begin(policy, key, user_id)
        except AnsweredError as answered:
            await respond(send, answered.response)
            return
        await exchange.serve(self._app)

    async def _user(self, scope: Scope, policy: IdempotencyPolicy) -> UUID | str:
        found: Any = self._user_id(scope)
        if inspect.isawaitable(found):
            found = await found
        if found is None:
            raise unauthenticated(policy, self._challenge)
        user: UUID | str = found
        return user


async def shielded(exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
    """Await the work; where the server gives the request up, it goes on if there is a claim."""
    task = asyncio.ensure_future(work)
    _running.add(task)
    task.add_done_callback(_running.discard)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        if not exchange.is_claimed:
            task.cancel()
            await asyncio.wait([task])
        task.add_done_callback(_tell)
        raise


def _tell(task: asyncio.Task[None]) -> None:
    """Log what nobody is left to hear."""
    if not task.cancelled() and task.exception() is not None:
        _log.error("A request raised after it was given up.", exc_info=task.exception())

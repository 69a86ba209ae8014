"""Idempotent FastAPI routes, marked by a dependency; needs the extra `exec_tracker[fastapi]`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from exec_tracker.errors import ConfigurationError

try:
    from fastapi import Depends, FastAPI, Header, Request, Response
    from fastapi.exceptions import ResponseValidationError
    from starlette.middleware import Middleware
    from starlette.requests import HTTPConnection  # noqa: TC002 # FastAPI reads annotations
except ImportError as exc:
    raise ConfigurationError(
        "Idempotent FastAPI routes need FastAPI: pip install 'exec_tracker[fastapi]'."
    ) from exc

from exec_tracker.context import ExecutionContext  # noqa: TC001 # FastAPI reads annotations
from exec_tracker.integrations.asgi import shielded
from exec_tracker.integrations.asgi.claims import check_tracker
from exec_tracker.integrations.asgi.exchange import Exchange
from exec_tracker.integrations.asgi.protocol import header_lines
from exec_tracker.integrations.fastapi.openapi import describe, note
from exec_tracker.integrations.http import HEADER, IdempotencyPolicy
from exec_tracker.integrations.http.key import idempotency_key
from exec_tracker.integrations.http.messages import AnsweredError
from exec_tracker.policies import exception_types

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.aio import AsyncExecutionTracker
    from exec_tracker.integrations.asgi.protocol import ASGIApp, Receive, Scope, Send
    from exec_tracker.tracker import ExecutionTracker

__all__ = ["Idempotency"]

_EXCHANGE = "exec_tracker.exchange"
_ABOUT = (
    "One string in double quotes (RFC 9651), 1 to 255 characters: a random UUID, new for each "
    "operation and the same for each repetition of it."
)


class Idempotency:
    """Makes routes of one application idempotent: `dependencies=[idempotency.key()]`.

    `user_id` is a dependency that returns the id of the authenticated user, whose own the keys are;
    it refuses others itself. `policy` is for routes that bring none. Create it before the
    application serves. A middleware is added innermost, an exception handler for what is answered
    without the handler, and the OpenAPI document describes header and problems.

    A marked route's response is stored before it is sent. A client that disconnects changes
    nothing: handler and storing go on. What a handler raises is recorded and raised; after a
    response that its model refuses, nobody knows. Dependencies before the mark are no part of it.
    """

    def __init__(
        self,
        app: FastAPI,
        tracker: AsyncExecutionTracker | ExecutionTracker,
        *,
        user_id: Callable[..., Any],
        policy: IdempotencyPolicy | None = None,
    ) -> None:
        """Prepare the application; raises ConfigurationError for what cannot work."""
        check_tracker(tracker)
        self._tracker = tracker
        if app.middleware_stack is not None:
            raise ConfigurationError("Create Idempotency before the application serves.")
        self._user_id = user_id
        self._policy = policy or IdempotencyPolicy()
        self._limits = [0]
        # Innermost, so that what is stored is the route's own response, and what others do to
        # responses, such as compressing, is done to a replay anew.
        app.user_middleware.append(Middleware(_Exchanges, tracker=tracker, limits=self._limits))
        app.add_exception_handler(AnsweredError, _answer)
        app.openapi = describe(app.openapi)  # type: ignore[method-assign] # FastAPI's documented way

    def key(self, policy: IdempotencyPolicy | None = None) -> Any:
        """Return the dependency that marks a route, or a router for the policy's methods.

        As a parameter, `execution: Annotated[ExecutionContext, idempotency.key()]`, it tells the
        handler of its run; it is None where a key is not required and none was sent.
        """
        rules = _careful(policy or self._policy)
        check_tracker(self._tracker, rules)
        self._limits.append(rules.max_request_bytes)
        users = Depends(self._user_id)
        header = Header(None, alias=HEADER, description=_ABOUT, json_schema_extra=note(rules))

        async def idempotent(
            connection: HTTPConnection,
            user_id: Any = users,
            _key: str | None = header,  # what is sent is read from the request, line by line
        ) -> ExecutionContext | None:
            if not rules.covers(connection.scope.get("method", "")):  # a WebSocket has none
                return None
            key = idempotency_key(header_lines(connection.scope, HEADER), rules)
            if key is None:
                return None
            return await _exchange(connection.scope).begin(rules, key, user_id)

        return Depends(idempotent)


class _Exchanges:
    """Puts an Exchange around requests that carry a key; their route begins it, if it is marked."""

    def __init__(
        self,
        app: ASGIApp,
        tracker: AsyncExecutionTracker | ExecutionTracker,
        limits: list[int],
    ) -> None:
        self._app = app
        self._tracker = tracker
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not header_lines(scope, HEADER):
            await self._app(scope, receive, send)
            return
        exchange = Exchange(self._tracker, scope, receive, send, limit=max(self._limits))
        scope[_EXCHANGE] = exchange
        await shielded(exchange, exchange.serve(self._app))


def _careful(policy: IdempotencyPolicy) -> IdempotencyPolicy:
    """Count a handler that returned what its response model refuses as one that may have acted."""
    listed = exception_types("unknown_on", policy.settings.get("unknown_on", ()))
    unknown_on = (*listed, ResponseValidationError)
    return replace(policy, settings={**policy.settings, "unknown_on": unknown_on})


def _exchange(scope: Scope) -> Exchange:
    try:
        exchange: Exchange = scope[_EXCHANGE]
    except KeyError:
        raise ConfigurationError(
            "This route was marked by the Idempotency of another application: each application, "
            "also a mounted one, needs its own."
        ) from None
    return exchange


async def _answer(_request: Request, answered: Exception) -> Response:
    assert isinstance(answered, AnsweredError)  # noqa: S101 # it was registered for that
    response = answered.response
    sent = Response(response.body, response.status)
    for name, value in response.headers:
        sent.headers.append(name, value)
    return sent

"""The same shop behind every door: ASGI over both trackers, FastAPI, Flask."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import flask
import pytest
from fastapi import FastAPI, Header, HTTPException
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request  # noqa: TC002 # FastAPI reads annotations
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from exec_tracker import AsyncExecutionTracker, ExecutionTracker
from exec_tracker.integrations import asgi, wsgi
from exec_tracker.integrations.fastapi import Idempotency
from tests.http.shop import POLICIES, Reply, Shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

METHODS = ["GET", "POST", "PUT", "PATCH"]
PATHS = [*POLICIES, "/unprotected"]
# Where each request that waits would take a thread, none may.
BUSY_POLICIES = {path: one for path, one in POLICIES.items() if path != "/patient"}


def bearer(authorization: str | None) -> UUID | None:
    """Return who signed in: here the token is the user's id."""
    return UUID(authorization.removeprefix("Bearer ")) if authorization else None


def asgi_user(scope: Any) -> UUID | None:
    return bearer(dict(scope["headers"]).get(b"authorization", b"").decode())


async def asgi_user_later(scope: Any) -> UUID | None:
    await asyncio.sleep(0)
    return asgi_user(scope)


def fastapi_user(authorization: Annotated[str | None, Header()] = None) -> UUID:
    user = bearer(authorization)
    if user is None:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return user


def as_response(reply: Reply) -> Response:
    after = BackgroundTask(reply.after) if reply.after else None
    if reply.chunks is not None:
        made: Response = StreamingResponse(reply.chunks, reply.status, background=after)
    else:
        made = Response(reply.body, reply.status, background=after)
    for name, value in reply.headers:
        made.headers.append(name, value)
    return made


def starlette_shop(shop: Shop, tracker: AsyncExecutionTracker | None = None) -> Starlette:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        return as_response(
            await asyncio.to_thread(shop.handle, body, request.scope.get(asgi.CONTEXT))
        )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        if tracker is not None:
            await tracker.aclose()

    routes = [Route(path, endpoint, methods=METHODS) for path in PATHS]
    # Many applications have one of these, which listen for disconnects of their own.
    passing = Middleware(BaseHTTPMiddleware, dispatch=lambda request, on: on(request))
    return Starlette(routes=routes, lifespan=lifespan, middleware=[passing])


def asgi_app(shop: Shop, url: str) -> Any:
    tracker = AsyncExecutionTracker(url)
    return asgi.IdempotencyMiddleware(
        starlette_shop(shop, tracker), tracker, user_id=asgi_user_later, policy=POLICIES
    )


def asgi_app_in_threads(shop: Shop, url: str) -> Any:
    # Closed by the process's end: it opens no connection of its own outside of its pool.
    tracker = ExecutionTracker(url)
    return asgi.IdempotencyMiddleware(
        starlette_shop(shop), tracker, user_id=asgi_user, policy=BUSY_POLICIES
    )


def fastapi_app(shop: Shop, url: str) -> Any:
    tracker = AsyncExecutionTracker(url)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await tracker.aclose()

    app = FastAPI(lifespan=lifespan)
    idempotency = Idempotency(app, tracker, user_id=fastapi_user)

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        return as_response(await asyncio.to_thread(shop.handle, body))

    for path in PATHS:
        marks = [idempotency.key(POLICIES[path])] if path in POLICIES else []
        app.add_api_route(path, endpoint, methods=METHODS, dependencies=marks)
    return app


def flask_shop(shop: Shop) -> flask.Flask:
    app = flask.Flask("shop")

    def endpoint(**_values: Any) -> flask.Response:
        reply = shop.handle(flask.request.get_data(), flask.request.environ.get(wsgi.CONTEXT))
        made = flask.Response(reply.body if reply.chunks is None else reply.chunks, reply.status)
        for name, value in reply.headers:
            made.headers[name] = value
        if reply.after is not None:
            made.call_on_close(reply.after)
        return made

    for path in PATHS:
        rule = path.replace("{", "<").replace("}", ">")
        app.add_url_rule(rule, path, endpoint, methods=METHODS)
    return app


def flask_app(shop: Shop, url: str) -> Any:
    app = flask_shop(shop)
    app.wsgi_app = wsgi.IdempotencyMiddleware(  # type: ignore[method-assign] # Flask's documented way
        app.wsgi_app,
        ExecutionTracker(url),
        user_id=lambda environ: bearer(environ.get("HTTP_AUTHORIZATION")),
        policy=POLICIES,
    )
    return app


DOORS: dict[str, Callable[[Shop, str], Any]] = {
    "asgi": asgi_app,
    "asgi-in-threads": asgi_app_in_threads,
    "fastapi": fastapi_app,
    "flask": flask_app,
}

every_door = pytest.mark.parametrize("door", DOORS, indirect=True)

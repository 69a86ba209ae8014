"""Clients that leave, and servers that give a request up: the outcome is not lost."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import AsyncExecutionTracker, ExecutionTracker
from exec_tracker.integrations.asgi import IdempotencyMiddleware
from tests.http.applications import every_door
from tests.http.client import problem
from tests.http.shop import Reply
from tests.support.database import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from uuid import UUID

    from tests.http.client import Client
    from tests.http.shop import Shop
    from tests.support.database import Database

    OpenTracker = Callable[[], AsyncExecutionTracker | ExecutionTracker]

BODY = b'{"cents": 4200}'


def begin(client: Client, key: str = "k", *, announced: int = len(BODY)) -> socket.socket:
    """Send a request by hand and return the connection, without waiting for an answer."""
    url = client.http.base_url
    connection = socket.create_connection((url.host, url.port or 80), timeout=60)
    head = (
        f"POST /payments HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {client.user}\r\n"
        f'Idempotency-Key: "{key}"\r\nContent-Length: {announced}\r\n\r\n'
    )
    connection.sendall(head.encode() + BODY)
    return connection


@every_door
def test_a_client_that_leaves_finds_the_response_when_it_comes_back(
    client: Client, shop: Shop, database: Database
) -> None:
    shop.close_door()
    connection = begin(client)
    shop.wait_until_entered()
    connection.close()
    shop.open_door()
    eventually(lambda: database.row(client.stored_id())["status"] == "completed", 60)
    assert client.send().headers["idempotency-replayed"] == "true"
    assert shop.count == 1


def test_a_client_that_leaves_before_it_has_sent_all_has_claimed_nothing(
    client: Client, shop: Shop, database: Database
) -> None:
    begin(client, announced=len(BODY) + 1).close()
    assert client.send("after").status_code == 201
    assert shop.count == 1
    assert database.value("SELECT count(*) FROM workflow_executions") == 1


def test_a_stream_whose_client_leaves_ends_and_never_runs_again(
    client: Client, shop: Shop, database: Database
) -> None:
    def events() -> Iterator[bytes]:
        while True:
            yield b"data: tick\n\n"

    shop.answer = Reply(200, headers=(("content-type", "text/event-stream"),), chunks=events())
    with begin(client) as connection:
        assert connection.recv(1 << 12)
    assert eventually(lambda: database.row(client.stored_id())["status"] == "completed", 60)
    assert problem(client.send()) == (409, "response-not-available")
    assert shop.count == 1


@pytest.fixture(params=["async", "threads"])
async def open_tracker(
    request: pytest.FixtureRequest, database_url: str
) -> AsyncIterator[AsyncExecutionTracker | ExecutionTracker]:
    if request.param == "threads":
        with ExecutionTracker(database_url) as in_threads:
            yield in_threads
        return
    async with AsyncExecutionTracker(database_url) as tracker:
        yield tracker


class Handler:
    """An ASGI application that waits, and tells how it ended."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.cancelled = False

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.entered.set()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


async def call(app: Any, method: str = "POST") -> list[Any]:
    """Call an ASGI application as a server does, and return what it sent."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": BODY}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": "/",
        "headers": [(b"idempotency-key", b'"k"')],
    }
    await app(scope, receive, send)
    return sent


async def test_a_handler_whose_server_gives_up_goes_on_and_its_response_is_stored(
    open_tracker: Any, user_id: UUID
) -> None:
    handler = Handler()
    app = IdempotencyMiddleware(handler, open_tracker, user_id=lambda _scope: user_id)
    request = asyncio.create_task(call(app))
    await handler.entered.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    handler.open.set()
    for _ in range(6000):
        start, *_ = await call(app)
        if start["status"] == 201:
            break
        await asyncio.sleep(0.01)
    assert (b"idempotency-replayed", b"true") in start["headers"]
    assert not handler.cancelled


async def test_an_application_that_waits_for_its_client_to_leave_is_told_after_a_failure(
    open_tracker: Any, user_id: UUID
) -> None:
    async def lingering(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b"closed"})
        while (await receive())["type"] != "http.disconnect":
            pass

    app = IdempotencyMiddleware(lingering, open_tracker, user_id=lambda _scope: user_id)
    start, body = await call(app)
    assert (start["status"], body["body"]) == (503, b"closed")


async def test_a_request_that_is_not_claimed_is_cancelled_as_ever(
    open_tracker: Any, user_id: UUID
) -> None:
    handler = Handler()
    app = IdempotencyMiddleware(handler, open_tracker, user_id=lambda _scope: user_id)
    request = asyncio.create_task(call(app, "PUT"))
    await handler.entered.wait()
    request.cancel()
    with suppress(asyncio.CancelledError):
        await request
    assert handler.cancelled


async def test_a_request_that_is_given_up_while_it_claims_leaves_the_key_to_others(
    open_tracker: Any, user_id: UUID, database: Database
) -> None:
    handler = Handler()
    handler.open.set()
    app = IdempotencyMiddleware(handler, open_tracker, user_id=lambda _scope: user_id)
    for _ in range(20):
        request = asyncio.create_task(call(app))
        await asyncio.sleep(0)
        request.cancel()
        with suppress(asyncio.CancelledError):
            await request
    start, *_ = await call(app)
    assert start["status"] == 201
    assert database.value("SELECT status FROM workflow_executions") == "completed"

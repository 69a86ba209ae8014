"""Bodies of every kind: binary, large, streamed, none; and the headers that go with them."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.http.client import problem
from tests.http.shop import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.http.client import Client
    from tests.http.shop import Shop
    from tests.support.database import Database

JSON = (("content-type", "application/json"),)
BINARY = bytes(range(256))


def test_a_binary_response_is_replayed_byte_for_byte(client: Client, shop: Shop) -> None:
    shop.answer = Reply(200, BINARY, (("content-type", "image/png"),))
    first, second = client.send(), client.send()
    assert first.content == second.content == BINARY
    assert second.headers["content-type"] == "image/png"
    assert second.headers["content-length"] == "256"
    assert shop.count == 1


def test_a_response_without_a_body_is_replayed(client: Client, shop: Shop) -> None:
    shop.answer = Reply(204, b"", (("location", "/payments/1"),))
    first, second = client.send(), client.send()
    assert (first.status_code, second.status_code, second.content) == (204, 204, b"")
    assert second.headers["location"] == "/payments/1"
    assert "content-length" not in second.headers


def test_cookies_and_other_headers_that_are_not_listed_are_not_replayed(
    client: Client, shop: Shop
) -> None:
    shop.answer = Reply(headers=(*JSON, ("set-cookie", "session=1"), ("x-request-id", "7")))
    first, second = client.send(), client.send()
    assert first.headers["set-cookie"] == "session=1"
    assert {"set-cookie", "x-request-id"}.isdisjoint(second.headers)


def test_the_handler_gets_the_body_it_was_sent(client: Client, shop: Shop) -> None:
    def chunks() -> Iterator[bytes]:
        yield from (BINARY, b"", BINARY)

    sent = {"Authorization": f"Bearer {client.user}", "Idempotency-Key": '"k"'}
    for _ in range(2):
        assert client.http.post("/payments", content=chunks(), headers=sent).status_code == 201
    assert shop.bodies == [BINARY * 2]


def test_a_request_that_is_too_large_is_refused_and_runs_nothing(
    client: Client, shop: Shop, database: Database
) -> None:
    def chunks(count: int) -> Iterator[bytes]:
        yield from [b"x"] * count

    for body in (b"x" * 101, b"x" * 5_000_000, chunks(101)):
        sent: Any = body
        assert problem(client.send(path="/small", body=sent)) == (413, "content-too-large")
    assert shop.count == 0
    assert database.value("SELECT count(*) FROM workflow_executions") == 0
    assert client.send(path="/small", body=b"x" * 100).status_code == 201
    sent = chunks(100)
    assert client.send(path="/small", body=sent).headers["idempotency-replayed"] == "true"
    assert shop.count == 1


def test_a_request_without_a_key_may_be_as_large_as_it_likes(client: Client, shop: Shop) -> None:
    body = b"x" * 5_000_000
    assert client.send(None, path="/optional", body=body).status_code == 201
    assert client.send(path="/unprotected", body=body).status_code == 201
    assert shop.bodies == [body, body]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_response_that_is_too_large_reaches_its_client_and_never_runs_again(
    streamed: bool, client: Client, shop: Shop, database: Database
) -> None:
    shop.answer = Reply(200, b"x" * 101, chunks=[b"x"] * 101 if streamed else None)
    first = client.send(path="/small")
    assert (first.status_code, first.content) == (200, b"x" * 101)
    for _ in range(2):
        second = client.send(path="/small")
        assert problem(second) == (409, "response-not-available")
        assert second.json()["original_status"] == 200
        assert "retry-after" not in second.headers
    assert shop.count == 1
    assert database.row(client.stored_id())["result"]["omitted"] == "too_large"


def test_a_response_that_breaks_off_is_not_run_again(door: str, client: Client, shop: Shop) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x" * 101
        raise RuntimeError("the file is gone")

    shop.answer = lambda _number: Reply(200, chunks=chunks())
    with contextlib.suppress(httpx.TransportError):
        client.send(path="/small")
    # Starlette's BaseHTTPMiddleware ends such a response as if it were whole, and raises then.
    whole = door.startswith("asgi")
    found = "response-not-available" if whole else "outcome-unknown"
    assert problem(client.send(path="/small")) == (409, found)
    assert shop.count == 1


def test_a_streamed_response_that_is_small_is_replayed_whole(client: Client, shop: Shop) -> None:
    shop.answer = Reply(200, headers=JSON, chunks=[b"[1,", b"2]"])
    first, second = client.send(), client.send()
    assert first.json() == second.json() == [1, 2]
    assert second.headers["idempotency-replayed"] == "true"


def test_an_event_stream_is_passed_on_as_it_comes(
    client: Client, shop: Shop, database: Database
) -> None:
    heard = threading.Event()

    def events() -> Iterator[bytes]:
        yield b"data: 1\n\n"
        assert heard.wait(60)
        yield b"data: 2\n\n"

    shop.answer = Reply(200, headers=(("content-type", "text/event-stream"),), chunks=events())
    headers = {"Authorization": f"Bearer {client.user}", "Idempotency-Key": '"k"'}
    with client.http.stream("POST", "/payments", headers=headers) as response:
        chunks = response.iter_raw()
        assert next(chunks) == b"data: 1\n\n"
        assert problem(client.send(body=b"")) == (409, "in-progress")
        heard.set()
        assert b"".join(chunks) == b"data: 2\n\n"
    assert problem(client.send(body=b"")) == (409, "response-not-available")
    assert database.row(client.stored_id())["result"]["omitted"] == "streamed"
    assert shop.count == 1


@pytest.mark.parametrize("door", ["asgi", "fastapi"], indirect=True)
def test_what_is_left_to_do_after_the_response_does_not_delay_it(
    client: Client, shop: Shop
) -> None:
    sent, done = threading.Event(), threading.Event()

    def after() -> None:
        assert sent.wait(60)
        done.set()

    shop.answer = Reply(after=after)
    assert client.send().status_code == 201
    assert client.send().headers["idempotency-replayed"] == "true"
    sent.set()
    assert done.wait(60)
    assert shop.count == 1

"""WSGI's own ways, checked by the standard library's validator; and Django through it."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import django
import pytest
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from exec_tracker import AsyncExecutionTracker, ConfigurationError, ExecutionTracker
from exec_tracker.integrations.http import IdempotencyPolicy
from exec_tracker.integrations.wsgi import CONTEXT, IdempotencyMiddleware
from tests.http.applications import bearer
from tests.http.client import Client, connected, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import ExitStack
    from uuid import UUID

    Serve = Callable[..., Client]


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def wsgiref_server(app: Any) -> Iterator[str]:
    """Yield the URL of a WSGI application served by the standard library."""
    with make_server("127.0.0.1", 0, app, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(60)


@pytest.fixture
def serve(tracker: ExecutionTracker, user_id: UUID, stack: ExitStack) -> Serve:
    """Serve an application behind the middleware, with a validator on both sides of it."""

    def served(app: Any, **policy: Any) -> Client:
        protected = IdempotencyMiddleware(
            validator(app),
            tracker,
            user_id=lambda environ: bearer(environ.get("HTTP_AUTHORIZATION")),
            policy=IdempotencyPolicy(**policy),
        )
        both: Any = validator(protected)
        address = stack.enter_context(wsgiref_server(both))
        http = stack.enter_context(connected(address))
        return Client(http, user_id)

    return served


class Body:
    """A response's body that tells whether it was closed."""

    def __init__(self, *chunks: bytes, raises: Exception | None = None) -> None:
        self._chunks = iter(chunks)
        self._raises = raises
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        if self._raises is not None:
            raise self._raises

    def close(self) -> None:
        self.closed += 1


TEXT = [("Content-Type", "text/plain")]


@pytest.mark.parametrize("bound", [1, 1000])
def test_a_body_is_closed_once_whether_it_is_kept_or_passed_on(bound: int, serve: Serve) -> None:
    body = Body(b"a", b"b")

    def app(_environ: Any, start: Any) -> Iterable[bytes]:
        start("200 Fine", TEXT)
        return body

    client = serve(app, max_response_bytes=bound)
    assert (client.send().content, body.closed) == (b"ab", 1)
    second = client.send()
    if bound == 1:
        assert problem(second) == (409, "response-not-available")
    else:
        assert (second.content, second.headers["idempotency-replayed"]) == (b"ab", "true")


@pytest.mark.parametrize("bound", [1, 1000])
def test_what_is_written_is_part_of_the_response(bound: int, serve: Serve) -> None:
    def app(_environ: Any, start: Any) -> Iterable[bytes]:
        write = start("200 OK", TEXT)
        for chunk in (b"a", b"b", b"c"):
            write(chunk)
        return Body(b"d")

    client = serve(app, max_response_bytes=bound)
    assert client.send().content == b"abcd"
    second = client.send()
    assert second.content == b"abcd" if bound > 1 else problem(second)[0] == 409


def test_a_response_may_change_its_mind_before_it_is_sent(serve: Serve) -> None:
    def app(_environ: Any, start: Any) -> Iterable[bytes]:
        start("200 OK", TEXT)
        try:
            int("many")
        except ValueError:
            start("400 Bad Request", TEXT, sys.exc_info())
        return Body(b"no")

    client = serve(app)
    assert [client.send().status_code for _ in range(2)] == [400, 400]


def test_an_exception_while_the_body_is_made_is_recorded_and_raised(
    serve: Serve, tracker: ExecutionTracker, capfd: pytest.CaptureFixture[str]
) -> None:
    body = Body(b"a", raises=TimeoutError("no answer"))

    def app(_environ: Any, start: Any) -> Iterable[bytes]:
        start("200 OK", TEXT)
        return body

    client = serve(app, settings={"unknown_on": (TimeoutError,)})
    assert client.send().status_code == 500
    assert body.closed == 1
    assert problem(client.send()) == (409, "outcome-unknown")
    (attempt,) = tracker.get_attempts(client.stored_id())
    assert (attempt.error or {})["message"] == "no answer"
    assert "TimeoutError: no answer" in capfd.readouterr().err  # it reached the server


def test_a_body_without_a_length_is_none(serve: Serve) -> None:
    def app(environ: Any, start: Any) -> Iterable[bytes]:
        start("200 OK", TEXT)
        return Body(environ["wsgi.input"].read(10))

    client = serve(app)
    headers = {"Authorization": f"Bearer {client.user}", "Idempotency-Key": '"k"'}
    assert client.http.request("POST", "/", headers=headers).content == b""


def test_an_asynchronous_tracker_is_refused(database_url: str) -> None:
    wrong: Any = AsyncExecutionTracker(database_url)
    with pytest.raises(ConfigurationError, match="AsyncExecutionTracker"):
        IdempotencyMiddleware(lambda _environ, _start: [], wrong, user_id=lambda _environ: None)


_paid: list[bytes] = []


def pay_in_django(request: HttpRequest) -> HttpResponse:
    execution = request.environ[CONTEXT]
    _paid.append(request.body)
    return HttpResponse(execution.idempotency_key, status=201, headers={"Location": "/payments/1"})


urlpatterns = [path("payments", pay_in_django)]


@pytest.fixture(scope="module")
def django_app() -> Any:
    settings.configure(
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="test",
        USE_TZ=True,
        LOGGING_CONFIG=None,
    )
    django.setup()
    return get_wsgi_application()


def test_django_is_protected_through_wsgi(
    django_app: Any, tracker: ExecutionTracker, user_id: UUID, stack: ExitStack
) -> None:
    app = IdempotencyMiddleware(
        django_app,
        tracker,
        user_id=lambda environ: bearer(environ.get("HTTP_AUTHORIZATION")),
        policy={"/payments": IdempotencyPolicy()},
    )
    address = stack.enter_context(wsgiref_server(app))
    http = stack.enter_context(connected(address))
    client = Client(http, user_id)
    first, second = client.send(), client.send()
    assert (first.status_code, first.text, second.text) == (201, "k", "k")
    assert second.headers["location"] == "/payments/1"
    assert second.headers["idempotency-replayed"] == "true"
    assert problem(client.send(body=b"[]")) == (422, "key-reused")
    assert _paid == [b'{"cents": 4200}']

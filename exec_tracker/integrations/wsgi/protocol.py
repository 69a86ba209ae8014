"""WSGI's types, and its requests and responses as plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any

from exec_tracker.integrations.http.deciding import check_length, incomplete
from exec_tracker.integrations.http.messages import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from exec_tracker.integrations.http.policy import IdempotencyPolicy

Environ = dict[str, Any]
Write = Callable[[bytes], object]
StartResponse = Callable[..., Write]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_CHUNK = 64 * 1024


def header_lines(environ: Environ, name: str) -> list[str]:
    """Return a header's value, in which servers have joined its lines."""
    value = environ.get(f"HTTP_{name.upper().replace('-', '_')}")
    return [] if value is None else [value]


def route_path(environ: Environ) -> str:
    """Return the path below where the application is mounted, decoded."""
    return _decoded(environ.get("PATH_INFO", "")) or "/"


def request_of(environ: Environ, body: bytes) -> HttpRequest:
    """Return the request as plain values."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name in {"CONTENT_TYPE", "CONTENT_LENGTH"} and value)
    }
    path = _decoded(environ.get("SCRIPT_NAME", "")) + route_path(environ)
    query = environ.get("QUERY_STRING", "")
    return HttpRequest(environ["REQUEST_METHOD"], path, query, headers, body)


def read_body(environ: Environ, policy: IdempotencyPolicy) -> bytes:
    """Read the body, and put it where the application reads it again.

    Raises AnsweredError for one that is too large, or that broke off.
    """
    announced = str(environ.get("CONTENT_LENGTH") or "")
    if announced.isdecimal():
        length = int(announced)
        check_length(policy, length)
    elif environ.get("wsgi.input_terminated"):  # chunked, and the server tells its end
        length = None
    else:
        length = 0
    body = _read(environ["wsgi.input"], length, policy)
    environ["wsgi.input"] = BytesIO(body)
    return body


def respond(start_response: StartResponse, response: HttpResponse) -> Iterable[bytes]:
    """Answer with a whole response."""
    try:
        phrase = HTTPStatus(response.status).phrase
    except ValueError:
        phrase = "Status"
    headers = list(response.headers)
    if response.status not in {204, 304}:
        headers.append(("content-length", str(len(response.body))))
    start_response(f"{response.status} {phrase}", headers)
    return [response.body]


def _read(stream: Any, length: int | None, policy: IdempotencyPolicy) -> bytes:
    body = bytearray()
    while length is None or len(body) < length:
        wanted = _CHUNK if length is None else min(length - len(body), _CHUNK)
        try:
            chunk = stream.read(wanted)
        except OSError as exc:
            raise incomplete(policy) from exc
        if not chunk:
            break
        body += chunk
        check_length(policy, len(body))
    if length is not None and len(body) < length:
        raise incomplete(policy)
    return bytes(body)


def _decoded(text: str) -> str:
    """Undo WSGI's way of carrying bytes in text."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace")

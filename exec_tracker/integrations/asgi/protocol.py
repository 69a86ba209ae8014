"""ASGI's types, and its headers as text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from exec_tracker.integrations.http.messages import Headers, HttpRequest, HttpResponse

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# With these an application may send what cannot be stored: files by their path, trailers.
_UNSTORED_EXTENSIONS = frozenset(
    {"http.response.pathsend", "http.response.zerocopysend", "http.response.trailers"}
)


def header_lines(scope: Scope, name: str) -> list[str]:
    """Return the value of each line of a header."""
    wanted = name.lower().encode("ascii")
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == wanted]


def request_of(scope: Scope, body: bytes) -> HttpRequest:
    """Return the request as plain values."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    query = scope.get("query_string", b"").decode("latin-1")
    return HttpRequest(scope["method"], scope["path"], query, headers, body)


def route_path(scope: Scope) -> str:
    """Return the path below where the application is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def response_headers(message: Message) -> Headers:
    """Return the headers that an application began its response with."""
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in message.get("headers", ())
    )


def hide_extensions(scope: Scope) -> None:
    """Take from the scope what an application may send past the stored response.

    In place, since frameworks tell middlewares around us the route by the same scope.
    """
    offered = scope.get("extensions")
    if offered:
        kept = {name: one for name, one in offered.items() if name not in _UNSTORED_EXTENSIONS}
        scope["extensions"] = kept


async def respond(send: Send, response: HttpResponse) -> None:
    """Send a whole response."""
    headers = [(name.encode("latin-1"), one.encode("latin-1")) for name, one in response.headers]
    if response.status not in {204, 304}:
        headers.append((b"content-length", str(len(response.body)).encode("ascii")))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})

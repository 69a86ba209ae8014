"""Requests and responses as plain values, whatever server they came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, as `identify` sees it.

    `path` is percent-decoded and `query` is not; both are as the server gave them. Names of
    `headers` are in lower case, and repeated headers are joined with commas.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One whole response. `headers` lack Content-Length, which follows from the body."""

    status: int
    headers: Headers = ()
    body: bytes = b""


class AnsweredError(Exception):
    """Carries the response that is sent in place of running the handler."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(f"answered {response.status} without running the handler")
        self.response = response

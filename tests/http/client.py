"""An HTTP client that signs in and sends keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from uuid import UUID

PROBLEM = "application/problem+json"


def connected(address: str) -> httpx.Client:
    """Return a client that opens a connection for each request.

    A server that closes one after an error would otherwise cut the request that comes next.
    """
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=address, timeout=60, trust_env=False, limits=limits)


@dataclass(frozen=True)
class Client:
    """Sends requests of one user."""

    http: httpx.Client
    user: UUID | None

    def send(
        self,
        key: str | None = "k",
        *,
        path: str = "/payments",
        method: str = "POST",
        body: bytes = b'{"cents": 4200}',
        header: str | None = None,
        **more: Any,
    ) -> httpx.Response:
        """Send a request with a key in quotes, or with the very `header` that is given."""
        headers = {"Content-Type": "application/json", **more.pop("headers", {})}
        if self.user is not None:
            headers["Authorization"] = f"Bearer {self.user}"
        if header is not None or key is not None:
            headers["Idempotency-Key"] = f'"{key}"' if header is None else header
        return self.http.request(method, path, content=body, headers=headers, **more)

    def stored_id(self, key: str = "k") -> str:
        """Return the id under which an execution is stored."""
        return f"{self.user}:{key}"


def problem(response: httpx.Response) -> tuple[int, str]:
    """Return a problem's status and name, having looked whether it is one."""
    assert response.headers["content-type"] == PROBLEM
    told = response.json()
    assert told["status"] == response.status_code
    assert told["title"]
    assert told["detail"]
    assert response.headers["link"].endswith('rel="describedby"; type="text/html"')
    page, _, name = told["type"].partition("#")
    assert page.startswith("https://")
    return response.status_code, name

"""An HTTP client that signs in and sends keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

    import httpx

PROBLEM = "application/problem+json"


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

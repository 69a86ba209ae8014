"""A payment endpoint made with Flask, which charges once per Idempotency-Key.

    pip install 'exec_tracker[http,embedded]' flask httpx
    python examples/flask_payments.py [DATABASE_URL]

Serves itself on loopback, sends the requests that clients send when answers are late, and prints
what they get. Without a URL it starts a private PostgreSQL. docs/howto/http.md explains it.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import flask
import httpx
from werkzeug.serving import WSGIRequestHandler, make_server

from exec_tracker import ExecutionTracker, migrations
from exec_tracker.embedded import EmbeddedPostgres
from exec_tracker.integrations.http import IdempotencyPolicy
from exec_tracker.integrations.wsgi import IdempotencyMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterator

USERS = {
    "Bearer ada": UUID("5f0c1d62-9a56-4b53-8f43-1a3b2f6f9a10"),
    "Bearer bob": UUID("0b7d4f6e-52c5-4e5c-9d0c-3f2f4a9d7c11"),
}
POLICIES = {
    # The handler answers 504 where the provider has not answered: nobody knows then.
    "/payments": IdempotencyPolicy(workflow_id="payment", unknown_statuses={504}),
}
charges: list[int] = []  # a payment provider: what stands here has moved money


def current_user(environ: dict[str, Any]) -> UUID | None:
    """Return who signed in; yours looks at a session or a token."""
    return USERS.get(environ.get("HTTP_AUTHORIZATION", ""))


def create_app(tracker: ExecutionTracker) -> flask.Flask:
    """Make the application."""
    app = flask.Flask("payments")

    @app.post("/payments")
    def pay() -> tuple[dict[str, str], int]:
        charges.append(flask.request.get_json()["cents"])
        return {"charge": f"ch_{len(charges)}"}, 201

    protected = IdempotencyMiddleware(app.wsgi_app, tracker, user_id=current_user, policy=POLICIES)
    app.wsgi_app = protected  # type: ignore[method-assign] # as Flask's documentation has it
    return app


def ask(
    client: httpx.Client, what: str, key: str | None, user: str = "ada", cents: int = 42
) -> None:
    """Send one request and print what comes back."""
    headers = {"Authorization": f"Bearer {user}"}
    if key is not None:
        headers["Idempotency-Key"] = f'"{key}"'
    answer = client.post("/payments", json={"cents": cents}, headers=headers)
    said = answer.json().get("title") or answer.json()
    replayed = ", replayed" if "idempotency-replayed" in answer.headers else ""
    print(f"{what}: {answer.status_code} {said}{replayed}")


def show(client: httpx.Client) -> None:
    """Do what clients do."""
    key = str(uuid4())
    ask(client, "the first request", key)
    ask(client, "the same again", key)
    ask(client, "another amount", key, cents=99)
    ask(client, "without a key", None)
    ask(client, "another user, by chance with this key", key, user="bob")
    ask(client, "nobody", key, user="eve")
    print(f"charged {len(charges)} times")


class Quiet(WSGIRequestHandler):
    """Does not log requests."""

    def log(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(app: flask.Flask) -> Iterator[str]:
    """Serve the application on loopback until the end of the block."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def database(url: str | None) -> Iterator[str]:
    """Yield a migrated database."""
    if url is None:
        with EmbeddedPostgres() as server, database(server.url) as own:
            yield own
        return
    migrations.upgrade(url)
    yield url


def main() -> None:
    """Serve, ask, print."""
    with (
        database(sys.argv[1] if len(sys.argv) > 1 else None) as url,
        ExecutionTracker(url) as tracker,
        served(create_app(tracker)) as address,
        httpx.Client(base_url=address, timeout=60, trust_env=False) as client,
    ):
        for user in USERS.values():
            tracker.ensure_user(user)
        show(client)


if __name__ == "__main__":
    main()

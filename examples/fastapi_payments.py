"""A payment endpoint made with FastAPI, which charges once per Idempotency-Key.

    pip install 'exec_tracker[fastapi,asyncpg,embedded]' uvicorn httpx
    python examples/fastapi_payments.py [DATABASE_URL]

Serves itself on loopback, sends the requests that clients send when answers are late, and prints
what they get. Without a URL it starts a private PostgreSQL. docs/howto/http.md explains it.
"""

import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated
from uuid import UUID, uuid4

import httpx
import uvicorn
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

from exec_tracker import (
    AsyncExecutionTracker,
    ExecutionContext,
    ExecutionTracker,
    migrations,
)
from exec_tracker.embedded import EmbeddedPostgres
from exec_tracker.integrations.fastapi import Idempotency
from exec_tracker.integrations.http import IdempotencyPolicy

USERS = {
    "Bearer ada": UUID("5f0c1d62-9a56-4b53-8f43-1a3b2f6f9a10"),
    "Bearer bob": UUID("0b7d4f6e-52c5-4e5c-9d0c-3f2f4a9d7c11"),
}
charges: list[str] = []  # a payment provider: what stands here has moved money


class Payment(BaseModel):
    """What a client asks for."""

    cents: int


class Receipt(BaseModel):
    """What it gets."""

    charge: str


def current_user(authorization: Annotated[str, Header()]) -> UUID:
    """Return who signed in; yours looks at a session or a token."""
    if authorization not in USERS:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return USERS[authorization]


def create_app(url: str) -> FastAPI:
    """Make the application."""
    tracker = AsyncExecutionTracker(url)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await tracker.aclose()

    app = FastAPI(title="Payments", lifespan=lifespan)
    # If the provider does not answer, nobody knows: such a payment is not made again by itself.
    policy = IdempotencyPolicy(workflow_id="payment", settings={"unknown_on": (TimeoutError,)})
    idempotency = Idempotency(app, tracker, user_id=current_user, policy=policy)

    @app.post("/payments", status_code=201)
    def pay(payment: Payment, execution: Annotated[ExecutionContext, idempotency.key()]) -> Receipt:
        time.sleep(0.2)  # long enough for impatient clients to ask again
        # If your provider knows idempotency keys, pass this one on.
        charges.append(f"{execution.execution_id} {payment.cents}")
        return Receipt(charge=f"ch_{len(charges)}")

    return app


def ask(
    client: httpx.Client, what: str, key: str | None, user: str = "ada", cents: int = 42
) -> int:
    """Send one request and print what comes back."""
    headers = {"Authorization": f"Bearer {user}"}
    if key is not None:
        headers["Idempotency-Key"] = f'"{key}"'
    answer = client.post("/payments", json={"cents": cents}, headers=headers)
    said = answer.json().get("title") or answer.json()
    replayed = ", replayed" if "idempotency-replayed" in answer.headers else ""
    print(f"{what}: {answer.status_code} {said}{replayed}")
    return answer.status_code


def show(client: httpx.Client) -> None:
    """Do what clients do."""
    key = str(uuid4())
    ask(client, "the first request", key)
    ask(client, "the same again", key)
    ask(client, "another amount", key, cents=99)
    ask(client, "without a key", None)
    ask(client, "another user, by chance with this key", key, user="bob")
    before, impatient = len(charges), str(uuid4())
    with ThreadPoolExecutor(8) as threads:
        headers = {"Authorization": "Bearer ada", "Idempotency-Key": f'"{impatient}"'}
        sent = [
            threads.submit(client.post, "/payments", json={"cents": 1}, headers=headers)
            for _ in range(8)
        ]
        statuses = {one.result().status_code for one in sent}
    print(f"eight at once: {sorted(statuses)}, charged {len(charges) - before} time")


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve the application on loopback until the end of the block."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, ws="none", log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@contextmanager
def database(url: str | None) -> Iterator[str]:
    """Yield a migrated database that knows the users."""
    if url is None:
        with EmbeddedPostgres() as server, database(server.url) as own:
            yield own
        return
    migrations.upgrade(url)
    with ExecutionTracker(url) as tracker:
        for user in USERS.values():
            tracker.ensure_user(user)
    yield url


def main() -> None:
    """Serve, ask, print."""
    with (
        database(sys.argv[1] if len(sys.argv) > 1 else None) as url,
        served(create_app(url)) as address,
        httpx.Client(base_url=address, timeout=60, trust_env=False) as client,
    ):
        show(client)


if __name__ == "__main__":
    main()

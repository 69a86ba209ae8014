"""What FastAPI people expect: dependencies, models, routers, overrides, an OpenAPI document."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi import APIRouter, Depends, FastAPI, Form, HTTPException, WebSocket
from pydantic import BaseModel
from starlette.middleware.gzip import GZipMiddleware

from exec_tracker import (
    AsyncExecutionTracker,
    ConfigurationError,
    ExecutionContext,
    ExecutionTracker,
)
from exec_tracker.integrations.asgi import IdempotencyMiddleware
from exec_tracker.integrations.fastapi import Idempotency
from exec_tracker.integrations.http import IdempotencyPolicy
from tests.http.applications import fastapi_user
from tests.http.client import Client, connected, problem
from tests.http.servers import uvicorn_server

Serve = Callable[[FastAPI], Client]


class Payment(BaseModel):
    cents: int


class Receipt(BaseModel):
    charge: str
    key: str | None


@pytest.fixture
def tracker_of_app(database_url: str) -> AsyncExecutionTracker:
    return AsyncExecutionTracker(database_url)


@pytest.fixture
def app(tracker_of_app: AsyncExecutionTracker) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await tracker_of_app.aclose()

    return FastAPI(lifespan=lifespan)


@pytest.fixture
def idempotency(app: FastAPI, tracker_of_app: AsyncExecutionTracker) -> Idempotency:
    return Idempotency(app, tracker_of_app, user_id=fastapi_user)


@pytest.fixture
def serve(user_id: UUID, stack: ExitStack) -> Serve:
    def served(app: FastAPI) -> Client:
        address = stack.enter_context(uvicorn_server(app))
        http = stack.enter_context(connected(address))
        return Client(http, user_id)

    return served


def test_a_handler_is_told_of_its_run_and_its_model_is_replayed(
    app: FastAPI, idempotency: Idempotency, serve: Serve
) -> None:
    seen: list[ExecutionContext] = []

    @app.post("/payments", status_code=201)
    def pay(payment: Payment, execution: Annotated[ExecutionContext, idempotency.key()]) -> Receipt:
        seen.append(execution)
        return Receipt(charge=f"ch_{payment.cents}", key=execution.idempotency_key)

    client = serve(app)
    first, second = client.send(), client.send()
    assert first.json() == second.json() == {"charge": "ch_4200", "key": "k"}
    assert (second.status_code, second.headers["idempotency-replayed"]) == (201, "true")
    (execution,) = seen
    assert (execution.execution_id, execution.attempt) == (client.stored_id(), 1)


def test_without_a_key_that_is_not_required_there_is_no_run_to_tell_of(
    app: FastAPI, idempotency: Idempotency, serve: Serve
) -> None:
    mark = idempotency.key(IdempotencyPolicy(required=False))

    @app.post("/payments")
    async def pay(execution: Annotated[ExecutionContext | None, mark]) -> Receipt:
        return Receipt(charge="ch", key=execution and execution.idempotency_key)

    client = serve(app)
    assert client.send(None).json()["key"] is None
    assert client.send().json()["key"] == "k"


def test_what_fastapi_finds_wrong_with_a_body_is_replayed_like_any_client_error(
    app: FastAPI, idempotency: Idempotency, serve: Serve
) -> None:
    @app.post("/payments", dependencies=[idempotency.key()])
    async def pay(payment: Payment) -> int:
        return payment.cents

    client = serve(app)
    first, second = (client.send(body=b'{"cents": "many"}') for _ in range(2))
    assert (first.status_code, first.json()) == (422, second.json())
    assert first.headers["content-type"] == "application/json"
    assert problem(client.send()) == (422, "key-reused")


def test_a_form_can_be_sent(app: FastAPI, idempotency: Idempotency, serve: Serve) -> None:
    @app.post("/payments", dependencies=[idempotency.key()])
    async def pay(cents: Annotated[int, Form()]) -> str:
        return f"paid {cents}"

    client = serve(app)
    form: dict[str, Any] = {"headers": {"Content-Type": "application/x-www-form-urlencoded"}}
    assert client.send(body=b"cents=1", **form).json() == "paid 1"
    assert client.send(body=b"cents=1", **form).headers["idempotency-replayed"] == "true"
    assert problem(client.send(body=b"cents=2", **form)) == (422, "key-reused")


def test_a_router_is_marked_for_the_methods_that_need_keys(
    app: FastAPI, idempotency: Idempotency, serve: Serve
) -> None:
    router = APIRouter(prefix="/v1", dependencies=[idempotency.key()])
    router.add_api_route("/payments", lambda: "paid", methods=["POST"])
    router.add_api_route("/payments", lambda: ["none"], methods=["GET"])
    app.include_router(router)
    paths = app.openapi()["paths"]["/v1/payments"]
    post, get = ({one["name"] for one in paths[name]["parameters"]} for name in ("post", "get"))
    assert post == {"authorization", "Idempotency-Key"}
    assert get == {"authorization"}
    client = serve(app)
    assert problem(client.send(None, path="/v1/payments")) == (400, "key-missing")
    assert client.send(None, path="/v1/payments", method="GET", body=b"").json() == ["none"]
    assert client.send(path="/v1/payments").json() == "paid"


def test_the_user_can_be_overridden_as_every_dependency(
    app: FastAPI, idempotency: Idempotency, serve: Serve, other_user_id: UUID
) -> None:
    app.add_api_route(
        "/payments", lambda: "paid", methods=["POST"], dependencies=[idempotency.key()]
    )
    app.dependency_overrides[fastapi_user] = lambda: other_user_id
    client = serve(app)
    assert [client.send().status_code for _ in range(2)] == [200, 200]


def test_a_handler_that_returned_what_its_model_refuses_is_not_run_again(
    app: FastAPI, idempotency: Idempotency, serve: Serve
) -> None:
    ran = []

    @app.post("/payments", response_model=Receipt, dependencies=[idempotency.key()])
    def pay() -> dict[str, str]:
        ran.append(True)
        return {"charged": "ch_1"}

    client = serve(app)
    assert client.send().status_code == 500
    assert problem(client.send()) == (409, "outcome-unknown")
    assert ran == [True]


def test_what_comes_before_the_mark_is_no_part_of_the_result(
    app: FastAPI, idempotency: Idempotency, serve: Serve
) -> None:
    allowed: list[bool] = []

    def permission() -> None:
        if not allowed:
            raise HTTPException(403)

    @app.post("/payments", dependencies=[Depends(permission), idempotency.key()])
    def pay() -> str:
        return "paid"

    client = serve(app)
    assert client.send().status_code == 403
    allowed.append(True)
    assert client.send().json() == "paid"


async def test_websockets_of_a_marked_router_pass(
    app: FastAPI, idempotency: Idempotency, user_id: UUID
) -> None:
    router = APIRouter(dependencies=[idempotency.key()])

    @router.websocket("/listen")
    async def listen(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    app.include_router(router)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    headers = [(b"authorization", f"Bearer {user_id}".encode()), (b"idempotency-key", b'"k"')]
    scope = {"type": "websocket", "path": "/listen", "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    assert sent == ["websocket.accept", "websocket.close"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_replay_is_compressed_as_its_own_client_likes(
    when: str,
    app: FastAPI,
    tracker_of_app: AsyncExecutionTracker,
    serve: Serve,
) -> None:
    if when == "before":
        app.add_middleware(GZipMiddleware, minimum_size=1)
    idempotency = Idempotency(app, tracker_of_app, user_id=fastapi_user)
    if when == "after":
        app.add_middleware(GZipMiddleware, minimum_size=1)
    app.add_api_route(
        "/payments", lambda: "paid", methods=["POST"], dependencies=[idempotency.key()]
    )
    client = serve(app)
    first = client.send(headers={"Accept-Encoding": "gzip"})
    second = client.send(headers={"Accept-Encoding": "identity"})
    assert (first.headers["content-encoding"], first.json()) == ("gzip", "paid")
    assert "content-encoding" not in second.headers
    assert (second.json(), second.headers["idempotency-replayed"]) == ("paid", "true")


def test_a_route_marked_twice_is_the_hosts_mistake(
    app: FastAPI, idempotency: Idempotency, serve: Serve
) -> None:
    marks = [idempotency.key(), idempotency.key()]
    app.add_api_route("/payments", lambda: "paid", methods=["POST"], dependencies=marks)
    assert serve(app).send().status_code == 500


def test_a_mark_of_another_application_is_the_hosts_mistake(
    app: FastAPI, idempotency: Idempotency, serve: Serve
) -> None:
    other = FastAPI()
    other.add_api_route(
        "/payments", lambda: "no", methods=["POST"], dependencies=[idempotency.key()]
    )
    assert serve(other).send().status_code == 500


def test_it_cannot_be_added_to_an_application_that_serves(
    app: FastAPI, tracker_of_app: AsyncExecutionTracker
) -> None:
    app.middleware_stack = app.build_middleware_stack()
    with pytest.raises(ConfigurationError, match="before"):
        Idempotency(app, tracker_of_app, user_id=fastapi_user)
    wrong: Any = "postgresql://…"
    with pytest.raises(ConfigurationError, match="str"):
        Idempotency(FastAPI(), wrong, user_id=fastapi_user)


def test_a_tracker_in_threads_lets_nobody_wait(tracker: ExecutionTracker) -> None:
    patient = IdempotencyPolicy(settings={"on_running": "wait"})
    idempotency = Idempotency(FastAPI(), tracker, user_id=fastapi_user)
    with pytest.raises(ConfigurationError, match="AsyncExecutionTracker"):
        idempotency.key(patient)
    with pytest.raises(ConfigurationError, match="AsyncExecutionTracker"):
        IdempotencyMiddleware(FastAPI(), tracker, user_id=lambda _scope: None, policy=patient)

"""Handlers that fail, outcomes that nobody knows, and a database that is away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from exec_tracker import ExecutionTracker
from exec_tracker.integrations import wsgi
from exec_tracker.integrations.http import StoredResponse
from tests.http.applications import every_door, flask_shop
from tests.http.client import Client, connected, problem
from tests.http.servers import werkzeug_server
from tests.http.shop import POLICIES, Reply

if TYPE_CHECKING:
    from contextlib import ExitStack
    from uuid import UUID

    from tests.http.shop import Shop
    from tests.support.database import Database
    from tests.support.fixtures import Background

UNAVAILABLE = Reply(503, b"the bank is closed", (("retry-after", "9"),))


def test_a_server_error_reaches_the_client_and_may_be_tried_again(
    client: Client, shop: Shop, database: Database
) -> None:
    shop.answer = lambda number: UNAVAILABLE if number == 1 else Reply()
    first, second, third = (client.send() for _ in range(3))
    assert (first.status_code, first.content) == (503, b"the bank is closed")
    assert first.headers["retry-after"] == "9"
    assert (second.status_code, third.headers["idempotency-replayed"]) == (201, "true")
    assert shop.count == 2
    (attempt,) = database.attempts(client.stored_id())
    assert attempt["error"]["message"] == "the handler answered 503"


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_client_error_of_the_handler_is_replayed(status: int, open_shop: Any, shop: Shop) -> None:
    client = open_shop("fastapi")
    shop.answer = Reply(status, b"no")
    first, second = client.send(), client.send()
    assert (first.content, second.content, second.status_code) == (b"no", b"no", status)
    assert second.headers["idempotency-replayed"] == "true"
    assert shop.count == 1


@pytest.mark.parametrize("status", [408, 409, 425, 429])
def test_a_status_that_asks_to_come_again_is_not_the_result(
    status: int, open_shop: Any, shop: Shop
) -> None:
    client = open_shop("fastapi")
    shop.answer = Reply(status, b"later")
    assert [client.send().content for _ in range(2)] == [b"later"] * 2
    assert shop.count == 2


@every_door
def test_an_exception_is_recorded_and_raised_and_may_be_tried_again(
    door: str, client: Client, shop: Shop, database: Database
) -> None:
    shop.answer = lambda number: RuntimeError("no bank") if number == 1 else Reply()
    first, second = client.send(), client.send()
    assert (first.status_code, second.status_code) == (500, 201)
    assert shop.count == 2
    (attempt,) = database.attempts(client.stored_id())
    # Flask answers 500 in its stead.
    recorded = "the handler answered 500" if door == "flask" else "no bank"
    assert attempt["error"]["message"] == recorded


@pytest.mark.parametrize("door", ["asgi", "asgi-in-threads", "fastapi"], indirect=True)
def test_an_exception_after_which_nobody_knows_is_not_run_again(client: Client, shop: Shop) -> None:
    shop.answer = TimeoutError("the bank does not answer")
    assert client.send(path="/doubtful").status_code == 500
    second = client.send(path="/doubtful")
    assert problem(second) == (409, "outcome-unknown")
    assert "retry-after" not in second.headers
    assert shop.count == 1


def test_a_status_after_which_nobody_knows_is_not_run_again_until_somebody_decides(
    client: Client, shop: Shop, tracker: ExecutionTracker
) -> None:
    shop.answer = Reply(504, b"no answer")
    assert client.send(path="/doubtful").content == b"no answer"
    for _ in range(2):
        assert problem(client.send(path="/doubtful")) == (409, "outcome-unknown")
    found = StoredResponse.of(201, b'{"charge": "ch_7"}')
    tracker.resolve(client.stored_id(), result=found.as_result())
    after = client.send(path="/doubtful")
    assert (after.status_code, after.json()) == (201, {"charge": "ch_7"})
    assert after.headers["content-type"] == "application/json"
    assert shop.count == 1


def test_those_who_wait_for_a_request_that_fails_are_asked_to_come_again(
    client: Client, shop: Shop, background: Background
) -> None:
    shop.close_door()
    shop.answer = lambda number: UNAVAILABLE if number == 1 else Reply()
    first = background(client.send, path="/patient")
    shop.wait_until_entered()
    second = background(client.send, path="/patient")
    # Whether it waits already cannot be seen from here; where it comes later, it runs.
    shop.open_door()
    assert first.result().status_code == 503
    if second.result().status_code == 409:
        assert problem(second.result()) == (409, "attempt-failed")
        assert second.result().headers["retry-after"] == "1"
        assert client.send(path="/patient").status_code == 201
    assert shop.count == 2


def test_an_erased_response_is_not_made_again(
    client: Client, shop: Shop, tracker: ExecutionTracker
) -> None:
    client.send()
    tracker.erase(client.stored_id())
    assert problem(client.send()) == (409, "response-not-available")
    assert shop.count == 1


def test_a_final_failure_is_not_run_again(
    client: Client, shop: Shop, tracker: ExecutionTracker
) -> None:
    shop.answer = Reply(504)
    client.send(path="/doubtful")
    tracker.resolve(client.stored_id(), error="it did not happen, and must not", retryable=False)
    response = client.send(path="/doubtful")
    assert problem(response) == (409, "attempt-failed")
    assert "retry-after" not in response.headers
    assert shop.count == 1


@pytest.mark.parametrize("door", ["fastapi", "flask"])
def test_without_the_database_nothing_runs(door: str, open_shop: Any, shop: Shop) -> None:
    client = open_shop(door, "postgresql://nobody:nothing@127.0.0.1:1/nowhere")
    response = client.send()
    assert problem(response) == (503, "store-unavailable")
    assert response.headers["retry-after"] == "5"
    assert client.send(path="/unprotected").status_code == 201
    assert shop.count == 1


@every_door
def test_a_response_that_cannot_be_stored_reaches_its_client_and_never_runs_again(
    client: Client, shop: Shop, database: Database, background: Background
) -> None:
    shop.close_door()
    first = background(client.send, path="/hasty")
    shop.wait_until_entered()
    row = client.stored_id()
    with database.locked("SELECT 1 FROM workflow_executions WHERE id = %s FOR UPDATE", row):
        shop.open_door()
        assert first.result().status_code == 201
        assert problem(client.send(path="/hasty")) == (409, "in-progress")
    database.run(
        "UPDATE workflow_executions SET lease_expires_at = clock_timestamp() WHERE id = %s", row
    )
    assert problem(client.send(path="/hasty")) == (409, "outcome-unknown")
    assert shop.count == 1


def test_a_response_that_no_row_may_hold_reaches_its_client_and_never_runs_again(
    database_url: str, user_id: UUID, stack: ExitStack, shop: Shop
) -> None:
    tracker = stack.enter_context(ExecutionTracker(database_url, max_result_bytes=10))
    app = wsgi.IdempotencyMiddleware(
        flask_shop(shop), tracker, user_id=lambda _environ: user_id, policy=POLICIES
    )
    client = Client(
        stack.enter_context(connected(stack.enter_context(werkzeug_server(app)))), user_id
    )
    assert client.send().status_code == 201
    assert problem(client.send()) == (409, "response-not-available")
    assert shop.count == 1


def test_a_user_whom_the_database_does_not_know_is_the_hosts_mistake(
    client: Client, shop: Shop
) -> None:
    headers = {"Authorization": f"Bearer {uuid4()}", "Idempotency-Key": '"k"'}
    assert client.http.post("/payments", headers=headers).status_code == 500
    assert shop.count == 0

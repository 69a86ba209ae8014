"""The scenarios of the IETF draft, behind every door, on real servers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.http.applications import every_door
from tests.http.client import Client, problem
from tests.http.shop import Reply
from tests.support.database import eventually

if TYPE_CHECKING:
    from uuid import UUID

    from tests.http.shop import Shop
    from tests.support.database import Database
    from tests.support.fixtures import Background


@every_door
def test_a_repeated_request_gets_the_first_response_and_runs_nothing(
    client: Client, shop: Shop
) -> None:
    first, second = client.send(), client.send()
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json() == {"charge": "ch_1"}
    assert first.headers["content-type"] == second.headers["content-type"] == "application/json"
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert shop.bodies == [b'{"cents": 4200}']


def test_another_key_is_another_request(client: Client, shop: Shop) -> None:
    assert [client.send(key).status_code for key in ("a", "b")] == [201, 201]
    assert shop.count == 2


def test_a_missing_key_is_refused_where_one_is_required(client: Client, shop: Shop) -> None:
    assert problem(client.send(None)) == (400, "key-missing")
    assert shop.count == 0


def test_a_missing_key_is_no_matter_where_none_is_required(client: Client, shop: Shop) -> None:
    assert [client.send(None, path="/optional").status_code for _ in range(2)] == [201, 201]
    assert shop.count == 2
    assert [client.send(path="/optional").status_code for _ in range(2)] == [201, 201]
    assert shop.count == 3


def test_malformed_empty_and_long_keys_are_refused_behind_every_door(
    client: Client, shop: Shop
) -> None:
    for header in ("", '""', "bare", f'"{"k" * 256}"'):
        assert problem(client.send(header=header)) == (400, "key-malformed"), header
    assert shop.count == 0
    assert client.send("k" * 255).status_code == 201


def test_two_headers_are_refused(client: Client, shop: Shop) -> None:
    lines = [("Idempotency-Key", '"a"'), ("Idempotency-Key", '"a"')]
    headers = [*lines, ("Authorization", f"Bearer {client.user}")]
    assert problem(client.http.post("/payments", headers=headers)) == (400, "key-malformed")
    assert shop.count == 0


def test_bare_keys_are_taken_where_that_is_allowed(client: Client, shop: Shop) -> None:
    bare = client.send(header="8e03978e-40d5-43e8-bc93-6894a57f9324", path="/bare")
    quoted = client.send("8e03978e-40d5-43e8-bc93-6894a57f9324", path="/bare")
    assert (bare.status_code, quoted.headers["idempotency-replayed"]) == (201, "true")
    assert shop.count == 1


def test_another_payload_under_the_key_is_refused(client: Client, shop: Shop) -> None:
    client.send()
    assert problem(client.send(body=b'{"cents": 1}')) == (422, "key-reused")
    assert problem(client.send(path="/payments?x=1")) == (422, "key-reused")
    assert problem(client.send(path="/optional")) == (422, "key-reused")
    assert problem(client.send(method="PATCH")) == (422, "key-reused")
    assert shop.count == 1


def test_what_identifies_a_request_can_be_chosen(client: Client, shop: Shop) -> None:
    client.send(path="/json", body=b'{"a": 1, "b": 2}')
    again = client.send(path="/json", body=b'{"b":2,"a":1.0}')
    assert again.headers["idempotency-replayed"] == "true"
    assert problem(client.send(path="/json", body=b'{"a": 2}')) == (422, "key-reused")
    assert shop.count == 1


@every_door
def test_a_request_that_is_outstanding_is_a_conflict(
    client: Client, shop: Shop, background: Background
) -> None:
    shop.close_door()
    first = background(client.send)
    shop.wait_until_entered()
    second = client.send()
    assert problem(second) == (409, "in-progress")
    assert second.headers["retry-after"] == "1"
    shop.open_door()
    assert first.result().status_code == 201
    assert client.send().headers["idempotency-replayed"] == "true"
    assert shop.count == 1


def test_a_patient_route_waits_for_the_first_response(
    client: Client, shop: Shop, background: Background
) -> None:
    shop.close_door()
    first = background(client.send, path="/patient")
    shop.wait_until_entered()
    others = [background(client.send, path="/patient") for _ in range(3)]
    shop.open_door()
    assert first.result().status_code == 201
    assert [one.result().headers["idempotency-replayed"] for one in others] == ["true"] * 3
    assert shop.count == 1


@every_door
def test_of_many_at_once_one_runs(client: Client, shop: Shop, background: Background) -> None:
    def persist() -> int:
        def answered() -> int:
            response = client.send()
            return 0 if response.status_code == 409 else response.status_code

        return int(eventually(answered, 60))

    assert {one.result() for one in [background(persist) for _ in range(8)]} == {201}
    assert shop.count == 1


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_methods_that_need_no_key_pass_with_and_without(
    method: str, client: Client, shop: Shop
) -> None:
    for key in (None, "k", "k"):
        response = client.send(key, method=method, body=b"")
        assert response.status_code == 201
        assert "idempotency-replayed" not in response.headers
    assert shop.count == 3


def test_a_route_that_is_not_protected_passes_with_a_key(client: Client, shop: Shop) -> None:
    assert [client.send(path="/unprotected").status_code for _ in range(2)] == [201, 201]
    assert shop.bodies == [b'{"cents": 4200}'] * 2


def test_two_users_have_keys_of_their_own(
    client: Client, other_user_id: UUID, shop: Shop, background: Background
) -> None:
    other = replace(client, user=other_user_id)
    shop.answer = lambda number: Reply(body=b'{"n": %d}' % number)
    assert client.send().json() == {"n": 1}
    theirs = other.send()
    assert theirs.json() == {"n": 2}
    assert "idempotency-replayed" not in theirs.headers
    shop.close_door()
    mine = background(client.send, "l")
    shop.wait_until_entered()
    shop.entered.clear()
    others = background(other.send, "l")  # not blocked by mine
    shop.wait_until_entered()
    shop.open_door()
    assert {mine.result().status_code, others.result().status_code} == {201}


def test_nobody_is_refused_before_anything_is_claimed(
    client: Client, shop: Shop, database: Database
) -> None:
    response = replace(client, user=None).send()
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert shop.count == 0
    assert database.value("SELECT count(*) FROM workflow_executions") == 0


def test_paths_with_parameters_are_protected_one_by_one(client: Client, shop: Shop) -> None:
    assert client.send(path="/orders/7/pay").status_code == 201
    assert client.send(path="/orders/7/pay").headers["idempotency-replayed"] == "true"
    assert problem(client.send(path="/orders/8/pay")) == (422, "key-reused")
    assert shop.count == 1


def test_problems_link_to_the_documentation(client: Client) -> None:
    response = client.send(None, path="/documented")
    assert response.json()["type"] == "https://pay.example/idempotency#key-missing"
    assert response.headers["link"].startswith("<https://pay.example/idempotency>")
    assert response.headers["content-language"] == "en"


def test_the_row_tells_what_was_asked_and_keeps_no_body(client: Client, database: Database) -> None:
    client.send(path="/payments?token=secret", body=b"card 4242")
    row = database.row(client.stored_id())
    assert row["parameters"] == {"method": "POST", "path": "/payments"}
    assert row["result"] == {
        "version": 1,
        "status": 201,
        "headers": [["content-type", "application/json"]],
        "text": '{"charge": "ch_1"}',
    }
    assert (row["status"], row["attempt"], row["workflow_id"]) == ("completed", 1, "http")

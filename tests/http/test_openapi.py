"""The OpenAPI document says what the header is, and what is answered."""

from fastapi import FastAPI
from pydantic import BaseModel

from exec_tracker import ExecutionTracker
from exec_tracker.integrations.fastapi import Idempotency
from exec_tracker.integrations.http import IdempotencyPolicy
from tests.http.applications import fastapi_user


class Payment(BaseModel):
    cents: int


class Receipt(BaseModel):
    charge: str


def test_the_header_and_its_problems_are_in_the_openapi_document(
    tracker: ExecutionTracker,
) -> None:
    app = FastAPI()
    idempotency = Idempotency(app, tracker, user_id=fastapi_user)

    @app.post("/payments", status_code=201, dependencies=[idempotency.key()])
    async def pay(payment: Payment) -> Receipt:
        raise NotImplementedError

    optional = idempotency.key(IdempotencyPolicy(required=False))
    app.add_api_route("/optional", lambda: "paid", methods=["POST"], dependencies=[optional])
    app.add_api_route("/unprotected", lambda: "paid", methods=["POST"])
    document = app.openapi()
    assert document == app.openapi()
    assert "x-exec-tracker" not in str(document)
    operation = document["paths"]["/payments"]["post"]
    (header,) = (one for one in operation["parameters"] if one["name"] == "Idempotency-Key")
    assert (header["in"], header["required"]) == ("header", True)
    assert header["example"].startswith('"')
    responses = operation["responses"]
    assert sorted(responses) == ["201", "400", "409", "413", "422", "503"]
    for status in ("400", "409", "413", "422", "503"):
        schema = responses[status]["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/IdempotencyProblem"}
    assert "Idempotency-Replayed" in responses["201"]["headers"]
    assert "Retry-After" in responses["409"]["headers"]
    assert "application/json" in responses["422"]["content"]  # FastAPI's own
    assert document["components"]["schemas"]["IdempotencyProblem"]["type"] == "object"
    parameters = document["paths"]["/optional"]["post"]["parameters"]
    assert [one["required"] for one in parameters if one["name"] == "Idempotency-Key"] == [False]
    assert set(document["paths"]["/unprotected"]["post"]["responses"]) == {"200"}

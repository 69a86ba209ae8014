"""Take Stripe's events: check the signature, note each once, answer; ship in another process.

    pip install 'exec_tracker[cli]' fastapi uvicorn
    export EXEC_TRACKER_DATABASE_URL=postgresql://... STRIPE_WEBHOOK_SECRET=whsec_...
    exec-tracker db upgrade
    uvicorn --app-dir examples webhook_stripe:app       # the receiver
    python examples/webhook_stripe.py                   # the worker: one round, any number at once

docs/howto/webhook-stripe.md explains it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import time
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException, Request

from exec_tracker import (
    ExecTrackerError,
    ExecuteOptions,
    ExecutionActor,
    ExecutionExistsError,
    ExecutionStatus,
    ExecutionTracker,
    get_execution_tracker,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from exec_tracker import Execution

SHOP = UUID("5f0c1d62-9a56-4b53-8f43-1a3b2f6f9a10")  # the account that webhooks belong to
log = logging.getLogger("example")
WORKFLOW = "ship-order"
TOLERANCE = 300  # seconds; what Stripe's own libraries allow


def is_genuine(payload: bytes, header: str, secret: str, now: float) -> bool:
    """Tell whether Stripe signed these bytes with this secret, and not long ago."""
    pairs = [pair.partition("=") for pair in header.split(",")]
    stamps = [value for name, _, value in pairs if name == "t"]
    if len(stamps) != 1 or not (stamps[0].isascii() and stamps[0].isdigit()):
        return False
    signed = stamps[0].encode() + b"." + payload
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode()
    # Two signatures come while a secret is being rolled over.
    given = [value.encode() for name, _, value in pairs if name == "v1"]
    matches = [hmac.compare_digest(expected, one) for one in given]
    return any(matches) and now - int(stamps[0]) <= TOLERANCE


async def genuine_event(
    request: Request, stripe_signature: Annotated[str, Header()] = ""
) -> dict[str, Any]:
    """Return the event, or refuse it before anything in it is believed."""
    payload = await request.body()  # the bytes as they came: parsed and dumped again they differ
    secret = os.environ["STRIPE_WEBHOOK_SECRET"]
    if not is_genuine(payload, stripe_signature, secret, time.time()):
        raise HTTPException(400, "the signature is not Stripe's, or too old")
    event: dict[str, Any] = json.loads(payload)
    return event


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Register the account. On Supabase, say, take one that exists, and drop this."""
    get_execution_tracker().ensure_user(SHOP)
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/stripe")
def receive(event: Annotated[dict[str, Any], Depends(genuine_event)]) -> dict[str, str]:
    """Note a payment, and answer: the row is on disk before Stripe hears of it."""
    if event["type"] != "payment_intent.succeeded":
        return {"event": "ignored"}
    payment = event["data"]["object"]
    options = ExecuteOptions(
        idempotency_key=f"stripe:{event['id']}",
        workflow_id=WORKFLOW,
        user_id=SHOP,
        actor=ExecutionActor.WEBHOOK,
        parameters={"order": payment["metadata"]["order"], "payment": payment["id"]},
    )
    try:
        get_execution_tracker().create_execution(options)
    except ExecutionExistsError:
        return {"event": "known"}
    return {"event": "noted"}


def ship(order: str, payment: str) -> dict[str, str]:
    """Have the parcel sent. The file stands for the warehouse: a line is a parcel."""
    with Path(os.environ.get("PARCELS", "parcels.txt")).open("a", encoding="utf-8") as warehouse:
        print(order, payment, file=warehouse)
    return {"shipped": order}


def noted(tracker: ExecutionTracker) -> Iterator[Execution]:
    """Yield what could not be shipped the last time, and then what waits."""
    for status in (ExecutionStatus.FAILED, ExecutionStatus.PENDING):
        page = tracker.list_executions(workflow_id=WORKFLOW, status=status)
        while page:
            yield from page
            page = tracker.list_executions(workflow_id=WORKFLOW, status=status, before=page[-1])


def ship_what_is_paid(tracker: ExecutionTracker) -> None:
    """Go through it once. Where several workers do so at the same time, one ships."""
    for execution in noted(tracker):
        details = execution.parameters or {}
        options = ExecuteOptions(
            idempotency_key=execution.id,
            workflow_id=WORKFLOW,
            user_id=execution.user_id,
            parameters=details,
        )
        try:
            print(execution.id, tracker.execute_idempotent(options, partial(ship, **details)))
        except ExecTrackerError as refused:  # another worker has it, or nobody knows: see the page
            print(execution.id, type(refused).__name__)
        except Exception:  # one parcel that cannot be sent must not hold up the others
            log.exception("%s could not be shipped", execution.id)


if __name__ == "__main__":
    with get_execution_tracker() as shared:
        ship_what_is_paid(shared)

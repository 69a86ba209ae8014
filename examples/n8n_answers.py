"""Start an n8n workflow once per key; it calls back, and any process stores what it brings.

    pip install 'exec_tracker[cli]' fastapi uvicorn
    export EXEC_TRACKER_DATABASE_URL=postgresql://... N8N_SECRET=... N8N_URL=http://localhost:5678/
    exec-tracker db upgrade
    uvicorn --app-dir examples n8n_answers:app      # what n8n calls when it is done
    python examples/n8n_answers.py may              # starts the workflow for May

examples/n8n/answers.json is the workflow, docs/howto/n8n.md explains both.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import sys
import urllib.request
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any
from urllib.error import HTTPError
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel

from exec_tracker import (
    ExecuteOptions,
    ExecutionNotFoundError,
    ExecutionTracker,
    IllegalTransitionError,
    LeaseLostError,
    OutcomeUnknownError,
    get_execution_tracker,
)

OFFICE = UUID("5f0c1d62-9a56-4b53-8f43-1a3b2f6f9a10")  # the account that these belong to
log = logging.getLogger("example")
LEASE = timedelta(hours=1)  # how long n8n is believed to be at it


class Finished(BaseModel):
    """What the workflow's last node sends: key and token as they came, and what came of it."""

    key: str
    token: UUID
    result: Any = None
    error: str | None = None


def authenticate(x_n8n_secret: Annotated[str, Header()] = "") -> None:
    """Refuse whoever does not know the secret: the token is a fence, and not a secret."""
    if not hmac.compare_digest(x_n8n_secret.encode(), os.environ["N8N_SECRET"].encode()):
        raise HTTPException(401, "this is for n8n")


app = FastAPI()


@app.post("/finished", dependencies=[Depends(authenticate)])
def finished(ended: Finished) -> dict[str, str]:
    """Store what n8n brings; brought twice, it changes nothing."""
    tracker = get_execution_tracker()
    try:
        if ended.error is None:
            stored = tracker.mark_completed(ended.key, ended.result, claim_token=ended.token)
        else:
            stored = tracker.mark_failed(ended.key, ended.error, claim_token=ended.token)
    except ExecutionNotFoundError as unknown:
        raise HTTPException(404, "there is no such execution") from unknown
    except IllegalTransitionError as late:  # another attempt has begun, or it ended otherwise
        raise HTTPException(409, "that came too late") from late
    return {"status": stored.status}  # n8n takes an empty answer for a broken one


def start(tracker: ExecutionTracker, report: str) -> Any:
    """Start the workflow unless it was started before; return its result once there is one."""
    options = ExecuteOptions(
        idempotency_key=f"report:{report}", workflow_id="n8n-report", user_id=OFFICE
    )
    try:
        # These leave unknown whether n8n has begun: the execution is abandoned, and not run again.
        with tracker.claim(options, unknown_on=(TimeoutError, ConnectionError)) as claim:
            if claim.cached:
                return claim.result
            token = str(claim.claim_token)
            tell_n8n({"key": options.execution_id, "token": token, "report": report})
            claim.detach(LEASE)
    except LeaseLostError:  # n8n called back before we could let go
        log.info("%s has ended already", options.execution_id)
    return None


def tell_n8n(body: dict[str, str]) -> None:
    """Call the workflow's Webhook node, which answers at once."""
    url = os.environ["N8N_URL"] + "webhook/report"
    headers = {"Content-Type": "application/json", "X-N8N-Secret": os.environ["N8N_SECRET"]}
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)  # noqa: S310 # from the environment
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 # as above
            pass
    except HTTPError as refused:
        if refused.code >= HTTPStatus.INTERNAL_SERVER_ERROR:  # it may have begun all the same
            raise OutcomeUnknownError(f"n8n answered {refused.code}") from refused
        raise


if __name__ == "__main__":
    with get_execution_tracker() as shared:
        shared.ensure_user(OFFICE)
        print(start(shared, sys.argv[1]))

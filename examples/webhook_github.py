"""Take GitHub's deliveries: check the signature, note each once, answer; build in another process.

    pip install 'exec_tracker[cli]' fastapi uvicorn
    export EXEC_TRACKER_DATABASE_URL=postgresql://... GITHUB_WEBHOOK_SECRET=...
    exec-tracker db upgrade
    uvicorn --app-dir examples webhook_github:app       # the receiver
    python examples/webhook_github.py                   # a builder: one build, any number at once

docs/howto/webhook-github.md explains it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException, Request

from exec_tracker import (
    ExecuteOptions,
    ExecutionActor,
    ExecutionExistsError,
    ExecutionStatus,
    ExecutionTracker,
    IllegalTransitionError,
    get_execution_tracker,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from exec_tracker import Execution

BUILDS = UUID("5f0c1d62-9a56-4b53-8f43-1a3b2f6f9a10")  # the account that webhooks belong to
WORKFLOW = "build-push"
LEASE = timedelta(minutes=30)  # longer than any build


def is_genuine(payload: bytes, header: str, secret: str) -> bool:
    """Tell whether GitHub signed these bytes with this secret."""
    digest = hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={digest}".encode(), header.encode())


async def genuine_payload(
    request: Request, x_hub_signature_256: Annotated[str, Header()] = ""
) -> dict[str, Any]:
    """Return the payload, or refuse it before anything in it is believed."""
    body = await request.body()  # the bytes as they came: parsed and dumped again they differ
    if not is_genuine(body, x_hub_signature_256, os.environ["GITHUB_WEBHOOK_SECRET"]):
        raise HTTPException(401, "the signature is not GitHub's")
    payload: dict[str, Any] = json.loads(body)
    return payload


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Register the account. On Supabase, say, take one that exists, and drop this."""
    get_execution_tracker().ensure_user(BUILDS)
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/github", status_code=202)
def receive(
    payload: Annotated[dict[str, Any], Depends(genuine_payload)],
    x_github_event: Annotated[str, Header()],
    x_github_delivery: Annotated[UUID, Header()],
) -> dict[str, str]:
    """Note a push, and answer: the row is on disk before GitHub hears of it."""
    if x_github_event != "push":  # `ping`, for one, which comes when the webhook is made
        return {"delivery": "ignored"}
    options = ExecuteOptions(
        idempotency_key=f"github:{x_github_delivery}",
        workflow_id=WORKFLOW,
        user_id=BUILDS,
        actor=ExecutionActor.WEBHOOK,
        parameters={"repository": payload["repository"]["full_name"], "commit": payload["after"]},
    )
    try:
        get_execution_tracker().create_execution(options)
    except ExecutionExistsError:
        return {"delivery": "known"}
    return {"delivery": "noted"}


def take_one(tracker: ExecutionTracker) -> Execution | None:
    """Claim a build that nobody has begun. Two builders never get the same."""
    while True:
        waiting = tracker.list_executions(workflow_id=WORKFLOW, status=ExecutionStatus.PENDING)
        if not waiting:
            return None
        for noted in reversed(waiting):  # they come newest first
            try:
                return tracker.mark_running(noted.id, LEASE)
            except IllegalTransitionError:
                continue  # another builder was faster


def build(repository: str, commit: str) -> dict[str, str]:
    """Build a commit. The file stands for what builds do: a line is a build."""
    with Path(os.environ.get("BUILDS", "builds.txt")).open("a", encoding="utf-8") as builds:
        print(repository, commit, file=builds)
    return {"built": commit}


def build_one(tracker: ExecutionTracker) -> None:
    """Build and report. Whoever has the key and the token can report: another process, too."""
    claimed = take_one(tracker)
    if claimed is None:
        return
    try:
        result = build(**(claimed.parameters or {}))
    except Exception as error:
        tracker.mark_failed(claimed.id, str(error), claim_token=claimed.claim_token)
        raise
    tracker.mark_completed(claimed.id, result, claim_token=claimed.claim_token)
    print(claimed.id, result)


if __name__ == "__main__":
    with get_execution_tracker() as shared:
        build_one(shared)

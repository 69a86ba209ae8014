"""An n8n workflow asks for a report and waits; another process makes it and wakes the workflow.

    pip install 'exec_tracker[cli]' fastapi uvicorn
    export EXEC_TRACKER_DATABASE_URL=postgresql://... N8N_SECRET=... N8N_URL=http://localhost:5678/
    exec-tracker db upgrade
    uvicorn --app-dir examples n8n_asks:app         # what n8n calls
    python examples/n8n_asks.py                     # the worker: one round, any number at once

examples/n8n/asks.json is the workflow, docs/howto/n8n.md explains both.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import urllib.request
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException, Response
from pydantic import BaseModel

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

OFFICE = UUID("5f0c1d62-9a56-4b53-8f43-1a3b2f6f9a10")  # the account that these belong to
log = logging.getLogger("example")
WORKFLOW = "make-report"


class Asked(BaseModel):
    """What the workflow's HTTP Request node sends."""

    execution: str  # {{ $execution.id }}
    resume: str  # {{ $execution.resumeUrl }}
    report: str


def authenticate(x_n8n_secret: Annotated[str, Header()] = "") -> None:
    """Refuse whoever does not know the secret of n8n's Header Auth credential."""
    if not hmac.compare_digest(x_n8n_secret.encode(), os.environ["N8N_SECRET"].encode()):
        raise HTTPException(401, "this is for n8n")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Register the account. On Supabase, say, take one that exists, and drop this."""
    get_execution_tracker().ensure_user(OFFICE)
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/reports", dependencies=[Depends(authenticate)])
def ask(asked: Asked, response: Response) -> dict[str, Any]:
    """Note what is asked for and answer 202; asked again, answer 200 once it is there."""
    if not asked.resume.startswith(os.environ["N8N_URL"]):
        raise HTTPException(400, "that is not where n8n is")  # the worker will post to it
    options = ExecuteOptions(
        idempotency_key=f"n8n:{asked.execution}:report",
        workflow_id=WORKFLOW,
        user_id=OFFICE,
        actor=ExecutionActor.WEBHOOK,
        parameters={"report": asked.report, "resume": asked.resume},
    )
    try:
        execution = get_execution_tracker().create_execution(options)
    except ExecutionExistsError as known:
        if known.execution is None:
            raise HTTPException(409, "that key is not yours") from known
        execution = known.execution
    response.status_code = 200 if execution.is_ended else 202
    return {"status": execution.status, "result": execution.result}


def make(report: str) -> dict[str, str]:
    """Make a report. The file stands for what that does: a line is a report."""
    with Path(os.environ.get("REPORTS", "reports.txt")).open("a", encoding="utf-8") as reports:
        print(report, file=reports)
    return {"report": report, "text": "all is well"}


def wake(resume: str, result: dict[str, str]) -> None:
    """Post the result to the URL that n8n's Wait node listens at."""
    body = json.dumps({"status": ExecutionStatus.COMPLETED, "result": result}).encode()
    headers = {"Content-Type": "application/json", "X-N8N-Secret": os.environ["N8N_SECRET"]}
    request = urllib.request.Request(resume, body, headers)  # noqa: S310 # begins with N8N_URL
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310 # as above
        pass


def noted(tracker: ExecutionTracker) -> Iterator[Execution]:
    """Yield what could not be made the last time, and then what is asked for."""
    for status in (ExecutionStatus.FAILED, ExecutionStatus.PENDING):
        page = tracker.list_executions(workflow_id=WORKFLOW, status=status)
        while page:
            yield from page
            page = tracker.list_executions(workflow_id=WORKFLOW, status=status, before=page[-1])


def make_what_is_asked_for(tracker: ExecutionTracker) -> None:
    """Go through it once. Where several workers do so at the same time, one makes a report."""
    for execution in noted(tracker):
        details = execution.parameters or {}
        options = ExecuteOptions(
            idempotency_key=execution.id,
            workflow_id=WORKFLOW,
            user_id=OFFICE,
            parameters=details,
        )
        try:
            result = tracker.execute_idempotent(options, partial(make, details["report"]))
            wake(details["resume"], result)
        except ExecTrackerError as refused:  # another worker has it, or nobody knows: see the page
            print(execution.id, type(refused).__name__)
        except Exception:  # n8n did not hear, and will ask again; or the report failed
            log.exception("%s", execution.id)
        else:
            print(execution.id, result)


if __name__ == "__main__":
    with get_execution_tracker() as shared:
        make_what_is_asked_for(shared)

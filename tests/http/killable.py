"""A payment server to be killed: `python -m tests.http.killable DATABASE_URL PORT HANGS`.

Each payment is a row in `payments`, in a transaction of its own. `before` or `after` that it hangs
for good; with `pauses` it takes its time before and after; with `never` it does not.
"""

from __future__ import annotations

import random
import sys
import time
from datetime import timedelta
from uuid import UUID

import uvicorn
from fastapi import FastAPI, Header, Request
from sqlalchemy import create_engine, text

from exec_tracker import AsyncExecutionTracker, normalise_url
from exec_tracker.integrations.fastapi import Idempotency
from exec_tracker.integrations.http import IdempotencyPolicy

app = FastAPI()


def current_user(authorization: str = Header()) -> UUID:
    """Return who signed in."""
    return UUID(authorization.removeprefix("Bearer "))


def pause(hangs: str, here: str) -> None:
    """Leave the test time to kill this process here."""
    if hangs == here:
        time.sleep(3600)
    if hangs == "pauses":
        time.sleep(random.uniform(0, 0.5))  # noqa: S311 # to be killed at different points


def main() -> None:
    """Serve until killed."""
    url, port, hangs = sys.argv[1:]
    engine = create_engine(normalise_url(url))
    # Short, so that what a killed server leaves behind is found abandoned soon.
    tracker = AsyncExecutionTracker(url, lease=timedelta(seconds=1))
    idempotency = Idempotency(app, tracker, user_id=current_user)
    policy = IdempotencyPolicy(settings={"lease": timedelta(seconds=1)})

    @app.post("/payments", status_code=201, dependencies=[idempotency.key(policy)])
    def pay(request: Request) -> dict[str, str]:
        key = request.headers["idempotency-key"]
        pause(hangs, "before")
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO payments VALUES (:key)"), {"key": key})
        pause(hangs, "after")
        return {"paid": key}

    uvicorn.run(app, host="127.0.0.1", port=int(port), ws="none", log_level="critical")


if __name__ == "__main__":
    main()

"""The Celery app of the tests: its workers import it, and everything they need is in one variable.

Every effect is a line in a file, so that it is counted outside of workers and tracker.
"""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from celery import Celery
from celery.signals import worker_init
from pydantic import BaseModel

from exec_tracker import (
    DidNotHappen,
    ExecuteOptions,
    ExecutionAbandonedError,
    ExecutionContext,
    ExecutionTracker,
    Happened,
    RetryPolicy,
)
from exec_tracker.integrations.celery import IdempotentTask, idempotent_task

SETTINGS = json.loads(os.environ["SHOP"])
FOLDER = Path(SETTINGS["folder"])
USER = UUID(SETTINGS["user_id"])
# The leases of those who are killed: no test waits for a minute.
SOON = timedelta(seconds=0.5)
LATER = timedelta(seconds=2)
PATIENCE = 90.0

app = Celery("shop", broker=SETTINGS["broker"], backend=SETTINGS["broker"])
app.conf.update(
    task_default_queue=SETTINGS["queue"],
    worker_prefetch_multiplier=1,
    broker_transport_options={
        "visibility_timeout": SETTINGS["visibility_timeout"],
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    },
)


def make_tracker() -> ExecutionTracker:
    with (FOLDER / "trackers").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return ExecutionTracker(SETTINGS["database_url"])


class Shop(IdempotentTask):
    """What the tasks have in common."""

    abstract = True
    user_id = USER
    tracker = make_tracker
    default_retry_delay = 0


class Receipt(BaseModel):
    charge: str
    cents: int


def happen(name: str) -> int:
    """Make the effect happen, and return how often it has."""
    path = FOLDER / f"{name}.effects"
    with path.open("a") as file:
        file.write(f"{os.getpid()}\n")
    return len(path.read_text().splitlines())


def hold(name: str) -> None:
    """Say that it has begun, and wait until the test lets it go on."""
    (FOLDER / f"{name}.begun").write_text(str(os.getpid()))
    deadline = time.monotonic() + PATIENCE
    while not (FOLDER / f"{name}.go").exists():
        if time.monotonic() > deadline:
            raise AssertionError("the test never let it go on")
        time.sleep(0.02)


def die_once(name: str) -> None:
    """Be killed, the first time."""
    killed = FOLDER / f"{name}.killed"
    if not killed.exists():
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)


@app.task(base=Shop, name="charge")
def charge(name: str) -> dict[str, int]:
    return {"charge": happen(name)}


@app.task(base=Shop, name="charge_held")
def charge_held(name: str) -> dict[str, int]:
    hold(name)
    return {"charge": happen(name)}


@idempotent_task(app, user_id=USER, tracker=make_tracker, key="ship:{name}", name="ship")
def ship(name: str, *, copies: int = 1) -> str:
    return f"{copies} of {name}, {happen(name)}"


@idempotent_task(app, user_id=USER, tracker=make_tracker, key="pack:{name}", name="pack")
def pack(name: str) -> str:
    hold(name)
    return f"packed {happen(name)}"


@app.task(base=Shop, key="drop:{name}", on_running="drop", name="drop")
def drop(name: str) -> str:
    hold(name)
    return f"dropped {happen(name)}"


@app.task(
    base=Shop,
    key="drop:{name}",
    on_running="drop",
    on_abandoned="retry",
    lease=timedelta(seconds=4),  # long enough to be seen running
    name="drop_lost",
)
def drop_lost(name: str) -> str:
    hold(name)
    return f"dropped {happen(name)}"


@app.task(base=Shop, key="join:{name}", on_running="wait", name="join")
def join(name: str) -> str:
    hold(name)
    return f"joined {happen(name)}"


@app.task(base=Shop, autoretry_for=(ConnectionError,), name="flaky")
def flaky(name: str, failures: int) -> int:
    times = happen(name)
    if times <= failures:
        raise ConnectionError(f"failure {times}")
    return times


@app.task(base=Shop, bind=True, name="by_hand")
def by_hand(self: Shop, name: str) -> dict[str, Any]:
    if happen(name) == 1:
        raise self.retry(exc=ConnectionError("by hand"), countdown=0)
    context = self.execution_context
    assert context is not None
    return {
        "key": context.idempotency_key,
        "attempt": context.attempt,
        "retries": self.request.retries,
    }


@app.task(
    base=Shop,
    autoretry_for=(ConnectionError,),
    retry_policy=RetryPolicy(backoff=timedelta(seconds=2)),
    name="paused",
)
def paused(name: str) -> int:
    times = happen(name)
    if times == 1:
        raise ConnectionError("not yet")
    return times


@app.task(
    base=Shop,
    autoretry_for=(Exception,),
    retry_policy=RetryPolicy(max_attempts=2, give_up_on=(LookupError,)),
    name="limited",
)
def limited(name: str, error: str) -> None:
    happen(name)
    raise LookupError(error) if error == "final" else ConnectionError(error)


class Mortal(Shop):
    """Tasks whose workers are killed: their lease runs out soon."""

    abstract = True
    lease = SOON
    autoretry_for = (Exception,)


def be_killed(name: str, when: str) -> int:
    if when == "before":
        die_once(name)
    times = happen(name)
    if when == "after":
        die_once(name)
    return times


@app.task(base=Mortal, name="killed_raise")
def killed_raise(name: str, when: str) -> int:
    return be_killed(name, when)


@app.task(base=Mortal, on_abandoned="retry", name="killed_retry")
def killed_retry(name: str, when: str) -> int:
    return be_killed(name, when)


def look(context: ExecutionContext) -> Happened | DidNotHappen:
    happened = (FOLDER / f"{context.idempotency_key}.effects").exists()
    return Happened(1) if happened else DidNotHappen()


@app.task(base=Mortal, key="{name}", verify=look, name="killed_verify")
def killed_verify(name: str, when: str) -> int:
    return be_killed(name, when)


@app.task(base=Mortal, autoretry_for=(ExecutionAbandonedError,), max_retries=1, name="killed_asked")
def killed_asked(name: str, when: str) -> int:
    return be_killed(name, when)


@app.task(base=Shop, lease=LATER, name="lost_raise")
def lost_raise(name: str, when: str) -> int:
    return be_held(name, when)


@app.task(base=Shop, lease=LATER, on_abandoned="retry", name="lost_retry")
def lost_retry(name: str, when: str) -> int:
    return be_held(name, when)


def be_held(name: str, when: str) -> int:
    if when == "before":
        hold(name)
    times = happen(name)
    if when == "after":
        hold(name)
    return times


@app.task(base=Shop, key="typed:{name}", name="typed")
def typed(name: str) -> Receipt:
    return Receipt(charge=name, cents=happen(name))


@app.task(base=Shop, key="modelled:{receipt[charge]}", pydantic=True, name="modelled")
def modelled(receipt: Receipt) -> Receipt:
    happen(receipt.charge)
    return Receipt(charge=receipt.charge, cents=receipt.cents + 1)


@app.task(base=Shop, soft_time_limit=1, autoretry_for=(Exception,), name="slow")
def slow(name: str) -> None:
    happen(name)
    hold(name)


def make_distant_tracker() -> ExecutionTracker:
    return ExecutionTracker((FOLDER / "distant_url").read_text())


@app.task(base=Shop, tracker=make_distant_tracker, max_retries=0, name="dark")
def dark(name: str) -> int:
    return happen(name)


inherited = ExecutionTracker(SETTINGS["database_url"], lease=LATER)


@worker_init.connect
def use_it_before_the_fork(**_: Any) -> None:
    options = ExecuteOptions(
        idempotency_key=f"before-{os.getpid()}", workflow_id="before", user_id=USER
    )
    inherited.execute(options, os.getpid)


@app.task(base=Shop, tracker=inherited, name="inherit")
def inherit(name: str) -> int:
    hold(name)
    return happen(name)


class Reserve(Shop):
    """A task written as a class."""

    name = "reserve"
    key = staticmethod(lambda seat, **_: f"reserve:{seat}")

    def run(self, seat: str) -> str:
        return f"{seat} {happen(seat)}"


app.register_task(Reserve())

"""The tasks that workers of the tests can do; they import them from here."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from celery.signals import worker_init
from pydantic import BaseModel

from exec_tracker import ExecuteOptions, ExecutionTracker, RetryPolicy
from exec_tracker.integrations.celery import idempotent_task
from tests.celery import mortal
from tests.celery.counter import FOLDER, SETTINGS, USER, Shop, app, happen, hold, make_tracker

__all__ = ["app", "mortal"]


class Receipt(BaseModel):
    charge: str
    cents: int


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
        raise self.retry(exc=ConnectionError("by hand"))
    context = self.execution_context
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


inherited = ExecutionTracker(SETTINGS["database_url"], lease=timedelta(seconds=2))


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

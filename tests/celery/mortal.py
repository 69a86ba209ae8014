"""Tasks whose processes are killed, by themselves or by the test."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

from exec_tracker import DidNotHappen, ExecutionAbandonedError, ExecutionContext, Happened
from tests.celery.counter import FOLDER, Shop, app, happen, hold

# The leases of those who are killed: no test waits for a minute.
SOON = timedelta(seconds=0.5)
LATER = timedelta(seconds=2)


def die_once(name: str) -> None:
    """Be killed, the first time."""
    killed = FOLDER / f"{name}.killed"
    if not killed.exists():
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)


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

"""Celery tasks that count once per key, however often their messages are delivered.

    export EXEC_TRACKER_DATABASE_URL=postgresql://… CELERY_BROKER_URL=redis://localhost:6379
    exec-tracker db upgrade
    celery --workdir examples -A celery_tasks worker     # on as many machines as you like
    python examples/celery_tasks.py                      # sends everything twice

Needs the extra `celery` and, for Redis, the package `redis`.
"""

from __future__ import annotations

import os
from datetime import timedelta
from uuid import UUID, uuid4

from celery import Celery
from pydantic import BaseModel

from exec_tracker import (
    DidNotHappen,
    ExecutionContext,
    Happened,
    RetryPolicy,
    get_execution_tracker,
)
from exec_tracker.integrations.celery import IdempotentTask, idempotent_task

BROKER = os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379")
# In whose name the shop works; a task may name its user by its arguments instead.
SHOP = UUID("5f0c1d62-9a56-4b53-8f43-1a3b2f6f9a10")

app = Celery("celery_tasks", broker=BROKER, backend=BROKER)
app.conf.update(
    # A worker takes no more than it works on, so that others need not wait for what it hoards.
    worker_prefetch_multiplier=1,
    # On Redis: when what a dead worker had is delivered again. It may be shorter than the work.
    broker_transport_options={"visibility_timeout": 600},
)


class Receipt(BaseModel):
    """What the provider answers; the task's result is its JSON."""

    charge: str
    cents: int


class Provider:
    """Stands for a payment provider."""

    def charge(self, order: int, cents: int, key: str) -> Receipt:
        """Move the money."""
        print(f"charging {cents} for {order}")
        return Receipt(charge=f"ch_{key}", cents=cents)

    def find(self, _key: str) -> Receipt | None:
        """Look a charge up by our key."""
        return None


provider = Provider()


def find_charge(context: ExecutionContext) -> Happened | DidNotHappen:
    """Find out what a killed worker has done."""
    receipt = provider.find(context.idempotency_key)
    return Happened(receipt) if receipt else DidNotHappen()


@idempotent_task(
    app,
    name="charge",
    bind=True,
    key="order:{order}:charge",
    workflow_id="charge-order",
    user_id=SHOP,
    autoretry_for=(ConnectionError,),
    retry=RetryPolicy(max_attempts=5, backoff=timedelta(seconds=2)),
    unknown_on=(TimeoutError,),
    verify=find_charge,
)
def charge(self: IdempotentTask, order: int, cents: int) -> Receipt:
    """Charge an order: one order, one charge, whoever sends the task how often."""
    return provider.charge(order, cents, self.execution_context.idempotency_key)


@app.task(base=IdempotentTask, name="send_receipt", user_id=SHOP, on_abandoned="retry")
def send_receipt(order: int) -> str:
    """Mail a receipt: one message, one mail. After a crash rather twice than never."""
    print(f"mailing the receipt of {order}")
    return f"mailed {order}"


def main() -> None:
    """Send everything twice, as impatient people and brokers do."""
    get_execution_tracker().ensure_user(SHOP)
    mail = uuid4().hex
    sent = [charge.delay(1042, 4200) for _ in range(2)]
    sent += [send_receipt.apply_async([1042], task_id=mail) for _ in range(2)]
    for one in sent:
        print(one.get(timeout=60))


if __name__ == "__main__":
    main()

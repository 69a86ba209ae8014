"""RQ jobs that count once per key.

export EXEC_TRACKER_DATABASE_URL=postgresql://… REDIS_URL=redis://localhost:6379
exec-tracker db upgrade
rq worker --path examples --url "$REDIS_URL"
python examples/rq_jobs.py                      # queues the same invoice twice
"""

from __future__ import annotations

import os
from uuid import UUID

from redis import Redis
from rq import Queue, Retry

from exec_tracker import get_execution_tracker

SHOP = UUID("5f0c1d62-9a56-4b53-8f43-1a3b2f6f9a10")


@get_execution_tracker().idempotent(
    key="invoice:{number}", workflow_id="issue-invoice", user_id=SHOP, on_running="wait"
)
def issue_invoice(number: int) -> str:
    """Issue an invoice; a job that RQ runs again gets what the first gave."""
    print(f"issuing {number}")
    return f"invoice {number}"


def main() -> None:
    """Queue it twice."""
    import rq_jobs  # noqa: PLC0415 # a worker finds jobs by the name of their module

    get_execution_tracker().ensure_user(SHOP)
    queue = Queue(connection=Redis.from_url(os.environ["REDIS_URL"]))
    for _ in range(2):
        queue.enqueue(rq_jobs.issue_invoice, 7, retry=Retry(max=3, interval=[5, 30, 120]))


if __name__ == "__main__":
    main()

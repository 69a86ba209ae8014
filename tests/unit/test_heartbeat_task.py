"""The async heartbeat keeps what is held, also where a lease is taken while the task is ending."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from exec_tracker.aio.heartbeat import HeartbeatTask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exec_tracker.leases import Renewal

LEASE = timedelta(milliseconds=60)


class Renewals:
    """Counts the renewals of each token, and holds up the end of the task while told to."""

    def __init__(self) -> None:
        self.counts: dict[UUID, int] = {}
        self.ending, self.may_end = asyncio.Event(), asyncio.Event()
        self.ends = 0

    async def renew(self, claims: Sequence[Renewal]) -> dict[UUID, bool]:
        for _, token, _ in claims:
            self.counts[token] = self.counts.get(token, 0) + 1
        return {token: True for _, token, _ in claims}

    async def close(self) -> None:
        self.ends += 1
        self.ending.set()
        await self.may_end.wait()

    async def wait_for(self, token: UUID, count: int) -> None:
        async with asyncio.timeout(30):
            while self.counts.get(token, 0) < count:  # noqa: ASYNC110 # one event per count would be more
                await asyncio.sleep(0.005)


async def test_a_lease_taken_while_the_task_is_ending_is_kept() -> None:
    renewals = Renewals()
    heartbeat = HeartbeatTask(renewals.renew, renewals.close)
    first = heartbeat.hold("a", uuid4(), LEASE, monotonic())
    await renewals.wait_for(first.token, 1)
    heartbeat.release(first)
    await renewals.ending.wait()
    late = heartbeat.hold("b", uuid4(), LEASE, monotonic())
    renewals.may_end.set()
    await renewals.wait_for(late.token, 2)
    heartbeat.release(late)
    await heartbeat.stop()


async def test_a_lease_taken_after_the_task_has_ended_is_kept_by_another() -> None:
    renewals = Renewals()
    renewals.may_end.set()
    heartbeat = HeartbeatTask(renewals.renew, renewals.close)
    first = heartbeat.hold("a", uuid4(), LEASE, monotonic())
    heartbeat.release(first)
    await renewals.ending.wait()
    await asyncio.sleep(0.02)
    late = heartbeat.hold("b", uuid4(), LEASE, monotonic())
    await renewals.wait_for(late.token, 2)
    heartbeat.release(late)
    await heartbeat.stop()
    assert renewals.ends >= 2

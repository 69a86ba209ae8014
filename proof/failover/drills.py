"""Failover to a synchronous standby loses nothing; to an asynchronous one, it loses what it may."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exec_tracker import ExecutionTracker
from exec_tracker.errors import ExecutionAbandonedError
from exec_tracker.testing import DatabaseClock
from proof.failover.pair import pair
from proof.ledger import Ledger
from proof.outages.callers import EXTERNAL, TRANSACTIONAL
from proof.outages.drill import drill
from proof.outages.load import LONGER_THAN_A_LEASE, Load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proof.outages.drill import Outage


def to_a_synchronous_standby(seed: int) -> Outage:
    """Kill the primary under load, promote the standby, and let the callers find it."""
    with pair(synchronous=True) as servers:

        def fail_over() -> float:
            servers.fail_over()
            return time.monotonic()

        name = "failover to a synchronous standby"
        return drill(name, servers.libpq_url, [fail_over], seed, load_url=servers.url)


@dataclass(frozen=True, slots=True)
class Loss:
    """What an asynchronous standby did not have of what callers had been told, in one mode.

    Of `acknowledged` executions it had the result, or the claim alone, or nothing; called again,
    those of which it had nothing were done a second time.
    """

    mode: str
    acknowledged: int
    results: int
    claims_alone: int
    nothing: int
    reported_abandoned: int
    done_again: int


def to_an_asynchronous_standby(seed: int, seconds: float) -> list[Loss]:
    """Fail over to a standby that has not heard of the last seconds, and call everything again."""
    with pair(synchronous=False) as servers:
        ledger = Ledger(servers.libpq_url)
        load = Load(ledger, servers.url, seed)
        with load:
            load.wait_for_answers(time.monotonic())
            time.sleep(seconds)
            servers.hold_up_replication()
            load.wait_for_answers(time.monotonic())
            time.sleep(seconds)
        load.close()
        servers.fail_over()
        DatabaseClock(servers.libpq_url).advance(LONGER_THAN_A_LEASE)
        told = {key: run for caller in load.callers for key, run in caller.heard.answers}
        losses = [_count(mode, ledger, told) for mode in (EXTERNAL, TRANSACTIONAL)]
        ledger.close()
    return losses


def _count(mode: str, ledger: Ledger, told: Mapping[str, Any]) -> Loss:
    """Look at what the standby has of a mode's keys, then call them all again."""
    keys = [key for key in told if key.startswith(mode)]
    stored = ledger.outcomes()
    statuses = Counter(stored.get(key, ("absent", None))[0] for key in keys)
    refused = 0
    with ExecutionTracker(ledger.url) as tracker:
        for key in keys:
            try:
                if mode == EXTERNAL:
                    tracker.execute_idempotent(ledger.options(key), ledger.outside(key))
                else:
                    tracker.execute_in_transaction(ledger.options(key), ledger.inside(key))
            except ExecutionAbandonedError:
                refused += 1
    again = ledger.runs()
    return Loss(
        mode,
        acknowledged=len(keys),
        results=statuses["completed"],
        claims_alone=statuses["running"],
        nothing=statuses["absent"],
        reported_abandoned=refused,
        done_again=sum(set(again.get(key, ())) > {told[key]} for key in keys),
    )

"""A claim made late in a long transaction: its lease begins when it is made."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg2

from exec_tracker import recovery
from exec_tracker.repository import Claim, ExecutionRepository
from proof.stage import KEY

if TYPE_CHECKING:
    from proof.world import World

_LEASE = timedelta(seconds=0.5)


def claim_in_a_long_transaction(world: World) -> str | None:
    """Claim in a transaction that is older than the lease; say what is wrong with the claim."""
    world.stage.set("pending")
    connection = psycopg2.connect(world.url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT now()")
        time.sleep(_LEASE.total_seconds() * 1.2)
        claim = Claim(uuid4(), "host", _LEASE)
        recovery.mark_running(ExecutionRepository(connection, world.dialect), KEY, claim)
        connection.commit()
        seen = world.stage.look()
    finally:
        connection.close()
    return None if seen.is_live else "a claim was abandoned when it was made"

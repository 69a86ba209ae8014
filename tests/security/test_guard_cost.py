"""What the guard costs an update that it lets pass, with the figures printed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, Engine, text

if TYPE_CHECKING:
    from collections.abc import Callable

UPDATES = 2000
ROUNDS = 6

FILL = f"""
INSERT INTO workflow_executions (id, workflow_id, user_id, status, attempt, claim_token)
SELECT 'k' || n, 'w', (SELECT min(id::text)::uuid FROM auth.users), 'running', 1, gen_random_uuid()
  FROM generate_series(1, {UPDATES}) AS n
"""

# One row per statement, within the server, so that neither the network nor the disk is measured.
HEARTBEATS = f"""
DO $$ BEGIN
    FOR n IN 1..{UPDATES} LOOP
        UPDATE workflow_executions SET lease_expires_at = clock_timestamp() WHERE id = 'k' || n;
    END LOOP;
END $$
"""

CALLS = """
SELECT count(*) FROM pg_stat_xact_user_functions WHERE funcname = 'guard_workflow_execution'
"""


def microseconds(connection: Connection) -> float:
    connection.execute(text("VACUUM FULL workflow_executions"))
    began = time.perf_counter()
    connection.execute(text(HEARTBEATS))
    return (time.perf_counter() - began) / UPDATES * 1e6


@pytest.mark.slow
def test_heartbeats_pay_little_for_the_guard_and_call_no_function(
    engine: Engine, insert: Callable[..., str]
) -> None:
    with engine.begin() as connection:
        connection.execute(text(FILL))
    best = {"DISABLE": float("inf"), "ENABLE": float("inf")}  # ends enabled
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for _ in range(ROUNDS):
            for state, so_far in best.items():
                connection.execute(
                    text(
                        f"ALTER TABLE workflow_executions {state} TRIGGER workflow_executions_guard"
                    )
                )
                best[state] = min(so_far, microseconds(connection))
    print(f"with the guard {best['ENABLE']:.1f} µs, without {best['DISABLE']:.1f} µs")  # noqa: T201
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL track_functions = 'pl'"))
        connection.execute(text(HEARTBEATS))
        assert connection.scalar(text(CALLS)) == 0
    assert best["ENABLE"] < 5 * best["DISABLE"]

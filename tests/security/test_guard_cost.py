"""What the guard costs an update that it lets pass, with the figures printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, Engine, text

if TYPE_CHECKING:
    from collections.abc import Callable

UPDATES = 2000
ROUNDS = 8

# One row per statement, within the server, so that neither the network nor the disk is measured.
HEARTBEATS = f"""
DO $$
DECLARE
    began timestamptz;
    best double precision = 'infinity';
BEGIN
    FOR round IN 1..{ROUNDS} LOOP
        began = clock_timestamp();
        FOR n IN 1..{UPDATES} LOOP
            UPDATE workflow_executions SET lease_expires_at = clock_timestamp() WHERE id = 'k' || n;
        END LOOP;
        best = least(best, extract(epoch FROM clock_timestamp() - began));
    END LOOP;
    PERFORM set_config('exec_tracker.best', best::text, true);
END
$$
"""

FILL = f"""
INSERT INTO workflow_executions (id, workflow_id, user_id, status, attempt, claim_token)
SELECT 'k' || n, 'w', (SELECT min(id::text)::uuid FROM auth.users), 'running', 1, gen_random_uuid()
  FROM generate_series(1, {UPDATES}) AS n
"""


def microseconds(connection: Connection) -> float:
    connection.exec_driver_sql(HEARTBEATS.replace("%", "%%"))
    best = connection.scalar(text("SELECT current_setting('exec_tracker.best')::float8"))
    assert best is not None
    return float(best) / UPDATES * 1e6


@pytest.mark.slow
def test_a_heartbeat_pays_little_for_the_guard_and_calls_no_function(
    engine: Engine, insert: Callable[..., str]
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(FILL)
        connection.exec_driver_sql("SET LOCAL track_functions = 'pl'")
        guarded = microseconds(connection)
        calls = connection.scalar(
            text(
                "SELECT count(*) FROM pg_stat_xact_user_functions "
                "WHERE funcname = 'guard_workflow_execution'"
            )
        )
        connection.exec_driver_sql(
            "ALTER TABLE workflow_executions DISABLE TRIGGER workflow_executions_guard"
        )
        unguarded = microseconds(connection)
    print(f"with the guard {guarded:.1f} µs, without {unguarded:.1f} µs")  # noqa: T201
    assert calls == 0
    assert guarded < 5 * unguarded

"""Every listing is one ordered scan of an index, and heartbeats touch none."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, create_engine, text

from exec_tracker.models import OUTCOME_UNKNOWN
from exec_tracker.settings import normalise_url

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = uuid.UUID(int=1)

FILL = """
INSERT INTO auth.users SELECT ('00000000-0000-0000-0000-' || lpad(to_hex(n), 12, '0'))::uuid
  FROM generate_series(1, 100) AS n;
INSERT INTO workflow_executions
       (id, workflow_id, user_id, status, attempt, claim_token, lease_expires_at, created_at)
SELECT 'k' || n, 'w' || mod(n, 7),
       ('00000000-0000-0000-0000-' || lpad(to_hex(1 + mod(n, 100)), 12, '0'))::uuid,
       CASE WHEN mod(n, 50) = 0 THEN 'running' WHEN mod(n, 51) = 0 THEN 'failed'
            ELSE 'completed' END,
       1, gen_random_uuid(), now(), now() - n * interval '1 second'
  FROM generate_series(1, 20000) AS n;
ANALYZE workflow_executions;
"""

NEWEST = "ORDER BY created_at DESC, id DESC LIMIT 20"

LISTINGS = {
    f"WHERE user_id = '{USER}' {NEWEST}": "idx_workflow_executions_user_id",
    f"WHERE user_id = '{USER}' AND (created_at, id) < (now(), 'k') {NEWEST}": (
        "idx_workflow_executions_user_id"
    ),
    f"WHERE workflow_id = 'w1' AND user_id = '{USER}' {NEWEST}": (
        "idx_workflow_executions_workflow_id"
    ),
    f"WHERE user_id = '{USER}' AND status = 'failed' {NEWEST}": "idx_workflow_executions_status",
    f"WHERE user_id = '{USER}' AND status = 'completed' {NEWEST}": (
        "idx_workflow_executions_user_id"
    ),
    "WHERE created_at < now() - interval '5 hours' ORDER BY created_at LIMIT 20": (
        "idx_workflow_executions_created_at"
    ),
}


@pytest.fixture
def filled(database_url: str) -> Iterator[Engine]:
    engine = create_engine(normalise_url(database_url))
    with engine.begin() as connection:
        connection.exec_driver_sql(FILL)
    yield engine
    engine.dispose()


def plan_of(engine: Engine, statement: str) -> str:
    with engine.connect() as connection:
        return "\n".join(connection.scalars(text(f"EXPLAIN (COSTS OFF) {statement}")))


def test_every_listing_is_one_ordered_index_scan(filled: Engine) -> None:
    for listing, index in LISTINGS.items():
        plan = plan_of(filled, f"SELECT * FROM workflow_executions {listing}")
        assert f"using {index} on" in plan, plan
        assert "Sort" not in plan, plan


def test_what_is_not_completed_is_found_by_the_partial_index(filled: Engine) -> None:
    plan = plan_of(filled, "SELECT * FROM workflow_executions WHERE status = 'running'")
    assert "idx_workflow_executions_status" in plan


def test_what_nobody_knows_is_found_by_its_own_index(filled: Engine) -> None:
    unknown = f"SELECT * FROM workflow_executions WHERE {OUTCOME_UNKNOWN} {NEWEST}"
    plan = plan_of(filled, unknown)
    assert "using idx_workflow_executions_unknown on" in plan
    assert "Sort" not in plan


def test_deleting_an_account_scans_no_table(filled: Engine) -> None:
    plan = plan_of(filled, f"DELETE FROM workflow_executions WHERE user_id = '{USER}'")
    assert "idx_workflow_executions_user_id" in plan


def test_a_heartbeat_writes_no_index_entry(database_url: str) -> None:
    engine = create_engine(normalise_url(database_url))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO auth.users VALUES (:user)"), {"user": USER})
        connection.execute(
            text(
                "INSERT INTO workflow_executions (id, workflow_id, user_id, status) "
                "VALUES ('k', 'w', :user, 'running')"
            ),
            {"user": USER},
        )
        connection.execute(
            text("UPDATE workflow_executions SET lease_expires_at = now() WHERE id = 'k'")
        )
        hot = connection.scalar(
            text("SELECT pg_stat_get_xact_tuples_hot_updated('workflow_executions'::regclass)")
        )
    engine.dispose()
    assert hot == 1

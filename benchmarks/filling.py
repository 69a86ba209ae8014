"""A table filled as it would be after a long time of use: 1 ms between executions, 100 users."""

from __future__ import annotations

import contextlib
import time
from typing import Any, Final

import psycopg2

from benchmarks.contenders.base import USER_ID
from benchmarks.keys import RANDOM, USERS
from benchmarks.server import run

_DAY_MS: Final = 86_400_000
_BATCH: Final = 1_000_000

# The first user is the one who calls; `keys.filled_key` makes the same keys in Python.
_USERS: Final = """
INSERT INTO auth.users (id)
SELECT md5('user ' || n)::uuid FROM generate_series(0, %s - 1) AS n"""
_TIME_ORDERED: Final = """
substr(lpad(to_hex(%(first_at)s + n), 12, '0'), 1, 8) || '-'
|| substr(lpad(to_hex(%(first_at)s + n), 12, '0'), 9, 4) || '-7' || substr(md5(n::text), 1, 3)
|| '-8' || substr(md5(n::text), 4, 3) || '-' || substr(md5(n::text), 7, 12)"""
_RANDOM: Final = "md5(n::text)::uuid::text"
_FILL: Final = """
INSERT INTO workflow_executions
       (id, workflow_id, user_id, status, result, created_at, updated_at, started_at,
        completed_at, attempt, claim_token, lease_expires_at, error)
SELECT {key}, CASE WHEN n %% 100 = 1 THEN 'charge' ELSE 'w' || n / 100 %% 20 END,
       CASE WHEN n %% 100 = 1 THEN %(user)s::uuid ELSE md5('user ' || n %% 100)::uuid END,
       CASE n %% 5000 WHEN 50 THEN 'running' WHEN 51 THEN 'failed' ELSE 'completed' END,
       CASE WHEN n %% 5000 NOT IN (50, 51) THEN '{{"charge": "ch_1"}}'::jsonb END, at, at, at,
       CASE WHEN n %% 5000 <> 50 THEN at END, 1, gen_random_uuid(),
       CASE WHEN n %% 5000 = 50 THEN at END,
       CASE WHEN n %% 5000 = 51 THEN '{{"retryable": true}}'::jsonb END
  FROM (SELECT n, to_timestamp((%(first_at)s + n) / 1000.0) AS at
          FROM generate_series(%(first)s, %(last)s) AS n) AS rows"""


def fill(url: str, style: str, rows: int) -> int:
    """Fill the table, oldest first, and return when the first row was created, in Unix ms."""
    first_at = time.time_ns() // 1_000_000 - _DAY_MS - rows
    statement = _FILL.format(key=_RANDOM if style == RANDOM else _TIME_ORDERED)
    run(url, _USERS, USERS)
    for first in range(1, rows + 1, _BATCH):
        values = {
            "first_at": first_at,
            "first": first,
            "last": min(first + _BATCH - 1, rows),
            "user": USER_ID,
        }
        _run_unchecked(url, statement, values)
    run(url, "VACUUM (ANALYZE) workflow_executions")
    run(url, "CHECKPOINT")
    return first_at


def _run_unchecked(url: str, statement: str, values: dict[str, Any]) -> None:
    """Insert without checking every row's user, whom the same statement has made up."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(statement, values)

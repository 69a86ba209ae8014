"""Nothing of another user's row is shown, however one comes to look at it."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg2
import pytest

from exec_tracker import ExecuteOptions, ExecutionTracker, IdempotencyKeyReusedError
from tests.support.executors import options

if TYPE_CHECKING:
    from uuid import UUID


def test_a_waiters_time_out_shows_nothing_of_whose_key_it_has_become(
    tracker: ExecutionTracker, database_url: str, user_id: UUID, other_user_id: UUID
) -> None:
    own = tracker.claim(options("k", user_id), lease=None)
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            tracker.execute_idempotent(
                options("k", user_id),
                lambda: 1,
                on_running="wait",
                wait_timeout=timedelta(seconds=1.5),
            )
        except Exception as exc:  # noqa: BLE001 # looked at below
            caught.append(exc)

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.4)
    # As if the row had been deleted and claimed anew between two looks of the waiter.
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE workflow_executions SET user_id = %s, parameters = %s WHERE id = 'k'",
            (str(other_user_id), '{"secret": 42}'),
        )
    connection.close()
    waiter.join()
    (error,) = caught
    assert isinstance(error, IdempotencyKeyReusedError)
    assert "secret" not in repr(vars(error))
    assert error.differs is None
    own.complete(None)


def test_misspelt_fingerprint_fields_are_refused(user_id: UUID) -> None:
    with pytest.raises(ValueError, match=r"fingerprint_fields.*amount"):
        ExecuteOptions(
            idempotency_key="k",
            workflow_id="w",
            user_id=user_id,
            parameters={"amount": 1},
            fingerprint_fields=frozenset({"amuont"}),
        )


def test_a_key_for_fingerprints_may_be_introduced_later(
    tracker: ExecutionTracker, database_url: str, user_id: UUID
) -> None:
    asked = options("k", user_id, parameters={"a": 1})
    assert tracker.execute_idempotent(asked, lambda: 1) == 1
    with ExecutionTracker(database_url, fingerprint_key=b"secret") as keyed:
        assert keyed.execute_idempotent(asked, lambda: 2) == 1
        fresh = options("k2", user_id, parameters={"a": 1})
        keyed.execute_idempotent(fresh, lambda: 3)
        with pytest.raises(IdempotencyKeyReusedError):
            keyed.execute_idempotent(options("k2", user_id, parameters={"a": 2}), lambda: 4)

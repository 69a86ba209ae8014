"""Every line of a file of webhook deliveries goes in and comes back equal in another process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import worker
from tests.support.deliveries import chosen_file, read_deliveries
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.subjects import Subject


def test_all_deliveries_come_back_equal_from_a_replay_in_another_process(
    subject: Subject, user_id: UUID, database: Database
) -> None:
    deliveries = read_deliveries(chosen_file())
    for delivery in deliveries:
        asked = options(delivery["delivery"], user_id, parameters=delivery)
        assert subject.execute_idempotent(asked, Calls(delivery)) == delivery
    child = worker.start(
        "replay",
        driver=subject.driver,
        url=database.url,
        user=str(user_id),
        path=chosen_file(),
    )
    assert worker.outcome(child) == {"equal": len(deliveries), "runs": 0}
    assert len({delivery["delivery"] for delivery in deliveries}) == len(deliveries)
    assert database.value("SELECT count(*) FROM workflow_executions") == len(deliveries)

"""Several processes, forked ones too: one effect per key, counted in files outside the tracker."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.support import worker
from tests.support.database import eventually

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from tests.support.database import Database

PROCESSES = 8


def effects(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_processes_on_one_fresh_key_run_the_function_once(
    driver: str, database: Database, user_id: UUID, tmp_path: Path
) -> None:
    arguments = {"driver": driver, "url": database.url, "user": str(user_id), "key": "k"}
    children = [
        worker.start("run", **arguments, effects=str(tmp_path / "effects"), seconds=0.5)
        for _ in range(PROCESSES)
    ]
    answers = [worker.outcome(child) for child in children]
    (owner,) = effects(tmp_path / "effects")
    done, refused = {"data": f"done by {owner}"}, {"error": "ExecutionInProgressError"}
    assert done in answers
    assert all(answer in (done, refused) for answer in answers)


@pytest.mark.slow
def test_processes_on_the_same_keys_in_any_order_run_each_once(
    driver: str, database: Database, user_id: UUID, tmp_path: Path
) -> None:
    keys = [f"k{number}" for number in range(60)]
    arguments = {"driver": driver, "url": database.url, "user": str(user_id)}
    shuffled = [random.sample(keys, len(keys)) for _ in range(4)]
    children = [
        worker.start("many", **arguments, keys=order, folder=str(tmp_path)) for order in shuffled
    ]
    answers = [
        dict(zip(order, worker.outcome(child), strict=True))
        for order, child in zip(shuffled, children, strict=True)
    ]
    for key in keys:
        (owner,) = effects(tmp_path / key)
        assert [answer[key] for answer in answers] == [{"data": f"done by {owner}"}] * 4
    assert database.value("SELECT count(*) FROM workflow_executions WHERE attempt = 1") == 60


@pytest.mark.parametrize("own_engine", [True, False], ids=["url", "host engine"])
def test_processes_forked_after_the_tracker_was_made_run_the_function_once(
    driver: str, database: Database, user_id: UUID, tmp_path: Path, *, own_engine: bool
) -> None:
    child = worker.start(
        "fork",
        driver=driver,
        url=database.url,
        user=str(user_id),
        key="k",
        effects=str(tmp_path / "effects"),
        children=PROCESSES,
        own_engine=own_engine,
        seconds=0.3,
        lease=60,
    )
    answer = worker.outcome(child)
    (owner,) = effects(tmp_path / "effects")
    assert answer == {"parent": {"data": f"done by {owner}"}, "children": [0] * PROCESSES}
    assert database.row("k")["attempt"] == 1


def test_a_forked_process_keeps_its_own_leases_alive(
    driver: str, database: Database, user_id: UUID, tmp_path: Path
) -> None:
    child = worker.start(
        "fork",
        driver=driver,
        url=database.url,
        user=str(user_id),
        key="k",
        effects=str(tmp_path / "effects"),
        children=1,
        own_engine=False,
        seconds=3,
        lease=1.5,
    )
    worker.wait_until_begun(child)
    lease = "SELECT lease_expires_at FROM workflow_executions WHERE id = 'k'"
    first = database.value(lease)
    eventually(lambda: database.value(lease) > first, seconds=2)
    (owner,) = effects(tmp_path / "effects")
    assert worker.outcome(child)["parent"] == {"data": f"done by {owner}"}

"""Workers are killed mid-task, and their messages delivered again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exec_tracker import ExecutionAbandonedError
from tests.celery.premises import premises, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exec_tracker.testing.throwaway import ThrowawayDatabases
    from tests.celery.premises import Premises

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def forge(
    broker: str, throwaway_databases: ThrowawayDatabases, migrated_template: str
) -> Iterator[Premises]:
    """Yield a shop whose pool processes are killed by their tasks, and replaced by the worker."""
    with throwaway_databases.database_url(migrated_template) as url, premises(broker, url) as made:
        made.hire("--concurrency", "2")
        yield made


@pytest.fixture(scope="module")
def restless(
    broker: str, throwaway_databases: ThrowawayDatabases, migrated_template: str
) -> Iterator[Premises]:
    """Yield a shop whose broker soon delivers again what has not ended."""
    with (
        throwaway_databases.database_url(migrated_template) as url,
        premises(broker, url, visibility_timeout=3) as made,
    ):
        made.hire("--concurrency", "4")
        yield made


@pytest.fixture
def ruin(broker: str, database_url: str) -> Iterator[Premises]:
    """Yield a shop whose broker soon delivers again what was not acknowledged."""
    with premises(broker, database_url, visibility_timeout=3) as made:
        yield made


@pytest.mark.parametrize(("when", "effects"), [("before", 0), ("after", 1)])
def test_a_process_killed_in_its_task_leaves_it_abandoned(
    forge: Premises, name: str, when: str, effects: int
) -> None:
    ended = forge.outcome(forge.send("killed_raise", name, when, key=name))
    assert isinstance(ended, ExecutionAbandonedError)
    assert forge.effects(name) == effects
    assert forge.execution(name).is_abandoned
    assert forge.execution(name).attempt == 1


@pytest.mark.parametrize(("when", "effects"), [("before", 1), ("after", 2)])
def test_a_killed_task_is_taken_over_where_that_is_asked_for(
    forge: Premises, name: str, when: str, effects: int
) -> None:
    assert forge.outcome(forge.send("killed_retry", name, when, key=name)) == effects
    assert forge.effects(name) == effects
    assert forge.execution(name).attempt == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_task_is_verified_and_has_one_effect(
    forge: Premises, name: str, when: str
) -> None:
    assert forge.outcome(forge.send("killed_verify", name, when)) == 1
    assert forge.effects(name) == 1


def test_an_unknown_outcome_is_retried_by_celery_only_where_that_is_named(
    forge: Premises, name: str
) -> None:
    named, unnamed = f"{name}-named", f"{name}-unnamed"
    sent = [
        forge.send("killed_asked", named, "after", key=named),
        forge.send("killed_raise", unnamed, "after", key=unnamed),
    ]
    for one in sent:
        assert isinstance(forge.outcome(one), ExecutionAbandonedError)
    said = forge.said()
    assert said.count(f"{named}] retry: Retry in 0.5s: ExecutionAbandonedError") == 1
    assert f"{unnamed}] retry: Retry in 0.5s: ExecutionAbandonedError" not in said


def test_what_somebody_decided_is_what_the_task_returns(forge: Premises, name: str) -> None:
    sent = forge.send("killed_raise", name, "after", key=name)
    assert isinstance(forge.outcome(sent), ExecutionAbandonedError)
    forge.tracker.resolve(name, result=1)
    sent.forget()
    assert forge.outcome(forge.send("killed_raise", name, "after", key=name)) == 1
    assert forge.effects(name) == 1


@pytest.mark.parametrize("pool", [("--concurrency", "3"), ("--pool", "solo")], ids=str)
def test_a_killed_workers_messages_go_to_another_worker(
    ruin: Premises, name: str, pool: tuple[str, ...]
) -> None:
    workers = 3 if "solo" in pool else 1
    killed = ruin.hire(*pool, more=workers)
    wanted = [("lost_raise", "after"), ("lost_retry", "before"), ("lost_retry", "after")]
    keys = [f"{name}-{task}-{when}" for task, when in wanted]
    sent = [
        ruin.send(task, key, when, key=key) for (task, when), key in zip(wanted, keys, strict=True)
    ]
    for key in keys:
        ruin.wait_until_begun(key)
    for worker in killed:
        worker.kill()
    for key in keys:
        ruin.release(key)
    ruin.hire(*pool)
    abandoned, *taken_over = [ruin.outcome(one) for one in sent]
    assert isinstance(abandoned, ExecutionAbandonedError)
    assert taken_over == [1, 2]
    assert [ruin.effects(key) for key in keys] == [1, 1, 2]


def test_a_message_delivered_again_while_its_first_run_goes_on_waits_for_it(
    restless: Premises, name: str
) -> None:
    sent = restless.send("charge_held", name, key=name)
    restless.wait_until_begun(name)
    wait_until(lambda: sent.state == "RETRY", "the redelivery", restless.said)
    restless.release(name)
    assert restless.outcome(sent) == {"charge": 1}
    assert restless.effects(name) == 1


def test_a_redelivery_is_not_dropped_as_a_duplicate(restless: Premises, name: str) -> None:
    sent = restless.send("drop_lost", name)
    restless.wait_until_begun(name)
    wait_until(lambda: sent.state == "RETRY", "the redelivery", restless.said)
    restless.kill_child(name)
    restless.release(name)
    assert restless.outcome(sent) == "dropped 1"
    assert f"{sent.id}] ignored" not in restless.said()


def test_a_worker_that_has_used_its_tracker_ends_when_it_is_told_to(
    ruin: Premises, name: str
) -> None:
    (worker,) = ruin.hire("--concurrency", "1")
    ruin.outcome(ruin.send("charge", name))
    worker.process.terminate()
    assert worker.process.wait(timeout=60) == 0

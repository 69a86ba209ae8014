"""What comes twice happens once, whichever pool it comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exec_tracker import IdempotencyKeyReusedError
from tests.celery.premises import Premises, Sent, premises, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exec_tracker.testing.throwaway import ThrowawayDatabases

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["prefork", "solo"])
def shop(
    request: pytest.FixtureRequest,
    broker: str,
    throwaway_databases: ThrowawayDatabases,
    migrated_template: str,
) -> Iterator[Premises]:
    """Yield a shop with several workers, which no test of the module kills."""
    with throwaway_databases.database_url(migrated_template) as url, premises(broker, url) as made:
        if request.param == "prefork":
            made.hire("--concurrency", "3")
        else:
            made.hire("--pool", "solo", more=2)
        yield made


def retried(shop: Premises, *sent: Sent) -> None:
    """Wait until one of the tasks was sent away to come back later."""
    wait_until(lambda: any(one.state == "RETRY" for one in sent), "a retry", shop.said)


def test_a_message_delivered_twice_has_one_effect_and_one_result(shop: Premises, name: str) -> None:
    sent = [shop.send("charge", name, key=name) for _ in range(2)]
    assert [shop.outcome(one) for one in sent] == [{"charge": 1}] * 2
    again = shop.send("charge", name, key=name)
    wait_until(
        lambda: shop.said().count(f"[{name}] succeeded") >= 3, "the third delivery", shop.said
    )
    assert shop.outcome(again) == {"charge": 1}
    assert shop.effects(name) == 1


def test_two_tasks_with_one_key_by_their_arguments_have_one_effect(
    shop: Premises, name: str
) -> None:
    sent = [
        shop.send("ship", name),
        shop.send("ship", kwargs={"name": name, "copies": 1}),
        shop.send("ship", name, kwargs={"copies": 1}),
    ]
    assert {shop.outcome(one) for one in sent} == {f"1 of {name}, 1"}
    assert shop.effects(name) == 1
    assert shop.execution(f"ship:{name}").workflow_id == "ship"


def test_one_key_with_other_arguments_is_refused(shop: Premises, name: str) -> None:
    shop.outcome(shop.send("ship", name))
    refused = shop.outcome(shop.send("ship", name, kwargs={"copies": 2}))
    assert isinstance(refused, IdempotencyKeyReusedError)
    assert shop.effects(name) == 1


def test_a_duplicate_of_running_work_comes_back_for_its_result(shop: Premises, name: str) -> None:
    sent = [shop.send("pack", name) for _ in range(2)]
    shop.wait_until_begun(name)
    retried(shop, *sent)
    shop.release(name)
    assert [shop.outcome(one) for one in sent] == ["packed 1"] * 2


def test_a_duplicate_that_is_dropped_neither_runs_nor_comes_back(shop: Premises, name: str) -> None:
    first = shop.send("drop", name)
    shop.wait_until_begun(name)
    second = shop.send("drop", name)
    wait_until(
        lambda: f"{second.id}] ignored" in shop.said() or second.has_ended, "it to be dropped"
    )
    shop.release(name)
    assert shop.outcome(first) == "dropped 1"
    assert (second.state, shop.effects(name)) == ("PENDING", 1)
    assert shop.outcome(shop.send("drop", name)) == "dropped 1"


def test_a_duplicate_may_wait_for_the_result_in_its_worker(shop: Premises, name: str) -> None:
    sent = [shop.send("join", name) for _ in range(2)]
    shop.wait_until_begun(name)
    shop.release(name)
    assert [shop.outcome(one) for one in sent] == ["joined 1"] * 2
    assert shop.effects(name) == 1


def test_a_model_is_returned_and_replayed_as_json(shop: Premises, name: str) -> None:
    sent = [shop.send("typed", name) for _ in range(2)]
    assert [shop.outcome(one) for one in sent] == [{"charge": name, "cents": 1}] * 2
    assert shop.execution(f"typed:{name}").result == {"charge": name, "cents": 1}


def test_a_task_of_celerys_pydantic_kind_is_replayed_too(shop: Premises, name: str) -> None:
    receipt = {"charge": name, "cents": 41}
    sent = [shop.send("modelled", receipt) for _ in range(2)]
    assert [shop.outcome(one) for one in sent] == [{"charge": name, "cents": 42}] * 2
    assert shop.effects(name) == 1


def test_a_task_that_is_a_class_runs_once(shop: Premises, name: str) -> None:
    sent = [shop.send("reserve", name) for _ in range(2)]
    assert [shop.outcome(one) for one in sent] == [f"{name} 1"] * 2
    assert shop.execution(f"reserve:{name}").workflow_id == "reserve"


def test_a_tracker_is_made_once_in_each_process_that_works(shop: Premises, name: str) -> None:
    for number in range(4):
        shop.outcome(shop.send("charge", f"{name}{number}"))
    makers = (shop.folder / "trackers").read_text().split()
    assert len(makers) == len(set(makers))


def test_a_tracker_used_before_the_fork_keeps_its_leases_alive_in_the_children(
    shop: Premises, name: str
) -> None:
    sent = shop.send("inherit", name, key=name)
    shop.wait_until_begun(name)
    first = shop.execution(name).lease_expires_at
    wait_until(lambda: shop.execution(name).lease_expires_at != first, "a heartbeat", shop.said)
    shop.release(name)
    assert shop.outcome(sent) == 1
    assert shop.tracker.get_attempts(name) == []

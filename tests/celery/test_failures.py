"""Celery retries, the tracker counts attempts, and the two agree."""

from __future__ import annotations

import contextlib
import socket
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from exec_tracker import AttemptOutcome, ExecutionStatus
from tests.celery.premises import premises, wait_until
from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exec_tracker.testing.throwaway import ThrowawayDatabases
    from tests.celery.premises import Premises

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop(
    broker: str, throwaway_databases: ThrowawayDatabases, migrated_template: str
) -> Iterator[Premises]:
    """Yield a shop with one worker."""
    with throwaway_databases.database_url(migrated_template) as url, premises(broker, url) as made:
        made.hire("--concurrency", "2")
        yield made


def errors(shop: Premises, key: str) -> list[Any]:
    """Return the messages of the attempts that failed."""
    return [(one.error or {})["message"] for one in shop.tracker.get_attempts(key)]


def test_a_failure_is_stored_and_celerys_retry_is_the_next_attempt(
    shop: Premises, name: str
) -> None:
    assert shop.outcome(shop.send("flaky", name, 2, key=name)) == 3
    assert errors(shop, name) == ["failure 1", "failure 2"]
    assert shop.execution(name).attempt == 3


def test_a_failure_that_outlasts_celerys_retries_may_be_sent_again(
    shop: Premises, name: str
) -> None:
    sent = shop.send("flaky", name, 4, key=name)
    assert (str(shop.outcome(sent)), shop.effects(name)) == ("failure 4", 4)
    sent.forget()
    assert shop.outcome(shop.send("flaky", name, 4, key=name)) == 5


def test_a_retry_by_hand_is_stored_with_its_reason(shop: Premises, name: str) -> None:
    got = shop.outcome(shop.send("by_hand", name, key=name))
    assert got == {"key": name, "attempt": 2, "retries": 1}
    assert errors(shop, name) == ["by hand"]


def test_the_pause_of_the_retry_policy_is_kept(shop: Premises, name: str) -> None:
    assert shop.outcome(shop.send("paused", name, key=name)) == 2
    (failed,) = shop.tracker.get_attempts(name)
    started_at = shop.execution(name).started_at
    assert started_at is not None
    assert started_at - failed.ended_at >= timedelta(seconds=2)


def test_a_task_sent_before_the_pause_is_over_comes_back(shop: Premises, name: str) -> None:
    sent = [shop.send("paused", name, key=name) for _ in range(2)]
    assert [shop.outcome(one) for one in sent] == [2, 2]
    assert shop.effects(name) == 2


@pytest.mark.parametrize(("error", "tries"), [("final", 1), ("temporary", 2)])
def test_what_the_retry_policy_gives_up_on_is_not_retried(
    shop: Premises, name: str, error: str, tries: int
) -> None:
    failed = shop.outcome(shop.send("limited", name, error, key=name))
    assert (str(failed), shop.effects(name)) == (error, tries)
    assert shop.said().count(f"{name}] retry") == tries - 1


def test_a_soft_time_limit_leaves_the_outcome_unknown(shop: Premises, name: str) -> None:
    stopped = shop.outcome(shop.send("slow", name, key=name))
    assert isinstance(stopped, SoftTimeLimitExceeded)
    assert shop.execution(name).is_abandoned
    assert shop.effects(name) == 1
    (attempt,) = shop.tracker.get_attempts(name)
    assert attempt.outcome is AttemptOutcome.ABANDONED
    assert shop.execution(name).status is ExecutionStatus.FAILED


def test_a_task_comes_back_when_the_database_does_and_that_is_no_retry(
    shop: Premises, name: str
) -> None:
    server = shop.database_url
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as reserved:
        port = int(reserved.getsockname()[1])
    distant = server.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    (shop.folder / "distant_url").write_text(distant)
    sent = shop.send("dark", name, key=name)
    wait_until(lambda: sent.state == "RETRY", "it to come back", shop.said)
    with contextlib.closing(Proxy(str(server.host), server.port or 5432, at=port)):
        assert shop.outcome(sent) == 1
    assert shop.tracker.get_attempts(name) == []

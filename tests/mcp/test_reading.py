"""The tools that read, called by the SDK's client in another process than the server."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exec_tracker import ExecuteOptions, ExecutionTracker, KeyScope
from tests.mcp.clients import Shop, answer, refusal
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from exec_tracker.testing.clock import DatabaseClock

MINUTE = timedelta(minutes=1)
WORKER = "host-7.internal"


@pytest.fixture
def worker(database_url: str) -> Iterator[ExecutionTracker]:
    with ExecutionTracker(database_url, claimed_by=WORKER) as tracker:
        yield tracker


def fail(tracker: ExecutionTracker, asked: ExecuteOptions, message: str = "no money") -> None:
    with pytest.raises(ValueError, match=message):
        tracker.execute_idempotent(asked, Calls(raises=ValueError(message)))


def one_of_each(tracker: ExecutionTracker, user: UUID, clock: DatabaseClock) -> None:
    """Leave an execution in every state, in this order."""
    tracker.create_execution(options("abandoned", user))
    tracker.mark_running("abandoned", lease=MINUTE)
    clock.advance(2 * MINUTE)
    tracker.create_execution(options("pending", user))
    tracker.create_execution(options("running", user, workflow_id="other"))
    tracker.mark_running("running", lease=10 * MINUTE)
    tracker.execute_idempotent(
        options("completed", user, parameters={"cents": 5}), Calls([0, None])
    )
    fail(tracker, options("failed", user))


async def test_the_status_tool_tells_every_state_and_what_to_do(
    shop: Shop, worker: ExecutionTracker, database_clock: DatabaseClock
) -> None:
    one_of_each(worker, shop.user, database_clock)
    async with shop.client() as client:
        seen = {
            key: await answer(client, "execution_status", key=key)
            for key in ("abandoned", "pending", "running", "completed", "failed")
        }
    assert {key: (it["status"], it["abandoned"], it["attempt"]) for key, it in seen.items()} == {
        "abandoned": ("running", True, 1),
        "pending": ("pending", False, 0),
        "running": ("running", False, 1),
        "completed": ("completed", False, 1),
        "failed": ("failed", False, 1),
    }
    assert seen["completed"]["result"] == [0, None]
    assert seen["completed"]["parameters"] == {"cents": 5}
    assert seen["failed"]["error_message"] == "no money"
    assert "Nobody knows" in seen["abandoned"]["summary"]
    assert "may run it again" in seen["failed"]["summary"]


async def test_another_users_key_looks_exactly_like_an_absent_one(
    shop: Shop, worker: ExecutionTracker, other_user_id: UUID
) -> None:
    fail(worker, options("taken", other_user_id))
    own = options("taken-too", other_user_id, key_scope=KeyScope.USER)
    worker.execute_idempotent(own, Calls())
    async with shop.client() as client:
        for tool in ("execution_status", "execution_attempts"):
            absent = await refusal(client, tool, key="absent")
            for key in ("taken", "taken-too", own.execution_id):
                assert await refusal(client, tool, key=key) == absent.replace("absent", key)
        assert await refusal(client, "list_executions", before="taken") == absent.replace(
            "absent", "taken"
        )
        listed = await answer(client, "list_executions")
    assert listed == {"executions": [], "more": False}


async def test_listings_are_filtered_limited_and_go_on_where_the_last_one_ended(
    shop: Shop, worker: ExecutionTracker, database_clock: DatabaseClock
) -> None:
    one_of_each(worker, shop.user, database_clock)

    async def keys(**filters: Any) -> list[str]:
        listed = await answer(client, "list_executions", **filters)
        return [one["key"] for one in listed["executions"]] + ["…"] * listed["more"]

    async with shop.client() as client:
        assert await keys() == ["failed", "completed", "running", "pending", "abandoned"]
        assert await keys(limit=2) == ["failed", "completed", "…"]
        assert await keys(limit=2, before="completed") == ["running", "pending", "…"]
        assert await keys(limit=2, before="pending") == ["abandoned"]
        assert await keys(workflow="other") == ["running"]
        assert await keys(status="running") == ["running", "abandoned"]
        assert await keys(status="failed", workflow="w") == ["failed"]
        assert await keys(abandoned_only=True) == ["abandoned"]
        assert await keys(abandoned_only=True, workflow="other") == []


async def test_attempts_are_told_without_naming_machines_unless_the_server_is_set_up_to(
    shop: Shop, worker: ExecutionTracker
) -> None:
    asked = options("k", shop.user)
    fail(worker, asked, "no money")
    fail(worker, asked, "still none")
    token = worker.mark_running("k", lease=MINUTE).claim_token
    tools = ("execution_status", "execution_attempts", "list_executions")
    said = {}
    for diagnostics in (False, True):
        async with shop.client(diagnostics=diagnostics) as client:
            answers = [
                await answer(client, tool, **({} if tool == "list_executions" else {"key": "k"}))
                for tool in tools
            ]
        said[diagnostics] = json.dumps(answers)
    told = [(one["attempt"], one["error_message"]) for one in answers[1]["attempts"]]
    assert told == [(1, "no money"), (2, "still none")]
    for secret in ("Traceback", WORKER):
        assert secret not in said[False]
        assert secret in said[True]
    assert str(token) not in said[False] + said[True]


async def test_what_is_too_large_to_be_read_is_left_out_and_named(
    shop: Shop, worker: ExecutionTracker
) -> None:
    worker.execute_idempotent(options("large", shop.user), Calls("x" * 200_000))
    fail(worker, options("wordy", shop.user), "y" * 1000)
    async with shop.client() as client:
        status = await answer(client, "execution_status", key="large")
        listed = await answer(client, "list_executions", status="failed")
        wordy = await answer(client, "execution_status", key="wordy")
    assert (status["result"], status["left_out"]) == (None, ["result"])
    assert len(listed["executions"][0]["error_message"]) < 400
    assert len(wordy["error_message"]) == 1000


async def test_bad_input_is_refused_in_a_sentence(shop: Shop) -> None:
    async with shop.client() as client:
        assert await refusal(client, "execution_status", key="") == (
            "An idempotency key must not be blank."
        )
        assert "at most 255 characters" in await refusal(
            client, "execution_attempts", key="x" * 1000
        )
        assert "control characters" in await refusal(client, "execution_status", key="a\0b")
        for limit in (0, -1, 101):
            assert await refusal(client, "list_executions", limit=limit) == (
                f"limit must be between 1 and 100, not {limit}."
            )
        assert "'pending', 'running', 'completed' or 'failed'" in await refusal(
            client, "list_executions", status="done"
        )
        assert "not for both" in await refusal(
            client, "list_executions", status="failed", abandoned_only=True
        )
        assert "control characters" in await refusal(client, "list_executions", workflow="\0")


async def test_the_tools_say_that_they_only_read(shop: Shop) -> None:
    async with shop.client() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    for name in ("execution_status", "list_executions", "execution_attempts"):
        hints = tools[name].annotations
        assert hints is not None
        assert (hints.read_only_hint, hints.destructive_hint) == (True, False)
        assert tools[name].output_schema is not None
        assert tools[name].description

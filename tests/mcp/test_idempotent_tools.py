"""Tools with one effect per key, called by the SDK's client in another process than the server."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.mcp.clients import Shop, answer, ended, kill, refusal, until, until_count
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from exec_tracker import ExecutionTracker
    from exec_tracker.testing.clock import DatabaseClock
    from exec_tracker.testing.effects import Effects


@pytest.fixture
def patient_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the SDK's client wait for a server that stops slowly, as on a busy machine."""
    monkeypatch.setattr("mcp.client.stdio.PROCESS_TERMINATION_TIMEOUT", 60.0)


async def test_a_tool_that_is_quick_answers_with_its_result_and_then_replays_it(
    shop: Shop, effects: Effects
) -> None:
    async with shop.client() as client:
        first = await answer(client, "charge", order=7, idempotency_key="k")
        again = await answer(client, "charge", order=7, idempotency_key="k")
        status = await answer(client, "execution_status", key="k")
    receipt = {"charge": "ch_7", "cents": 4200}
    assert (first["status"], first["replayed"], first["result"]) == ("completed", False, receipt)
    assert (again["status"], again["replayed"], again["result"]) == ("completed", True, receipt)
    assert (status["status"], status["result"]) == ("completed", receipt)
    assert effects.count("charge") == 1


async def test_a_tool_that_takes_longer_says_so_at_once_and_the_status_tool_tells_the_rest(
    shop: Shop, effects: Effects
) -> None:
    asked = {"month": "may", "gate": shop.gate}
    async with shop.client() as client:
        first = await answer(client, "report", **asked)
        meanwhile = await answer(client, "report", **asked)
        status = await answer(client, "execution_status", key=first["key"])
        shop.open_gate()
        told = await ended(client, "report:may")
        again = await answer(client, "report", **asked)
    for running in (first, meanwhile):
        assert (running["key"], running["status"], running["result"]) == (
            ("report:may", "running", None)
        )
    assert (status["status"], status["abandoned"]) == ("running", False)
    assert told["result"] == again["result"] == "the report for may"
    assert again["replayed"]
    assert effects.count("report") == 1


async def test_a_plain_function_goes_on_in_a_thread_and_may_take_the_key_along(
    shop: Shop, effects: Effects
) -> None:
    async with shop.client() as client:
        first = await answer(
            client, "print_pages", pages=3, gate=shop.gate, idempotency_key="pages-3"
        )
        shop.open_gate()
        told = await ended(client, "pages-3")
    assert first["status"] == "running"
    assert told["result"] == {"pages": 3, "key": "pages-3"}
    assert effects.count("print") == 1


async def test_many_calls_with_one_key_to_two_servers_have_one_effect(
    shop: Shop, effects: Effects
) -> None:
    asked = {"order": 7, "idempotency_key": "k", "gate": shop.gate}
    async with shop.client() as one, shop.client() as other:
        calls = [
            asyncio.create_task(answer(client, "charge", **asked))
            for client in (one, other)
            for _ in range(8)
        ]
        await until_count(effects, "charge", 1)
        shop.open_gate()
        answers = await asyncio.gather(*calls)
    assert [one["result"] for one in answers] == [{"charge": "ch_7", "cents": 4200}] * 16
    assert sorted(one["replayed"] for one in answers) == [False] + [True] * 15
    assert effects.count("charge") == 1


async def test_a_client_that_goes_away_does_not_end_what_it_asked_for(
    shop: Shop, effects: Effects
) -> None:
    asked = {"order": 7, "idempotency_key": "k", "gate": shop.gate}
    async with shop.client() as client:
        call = asyncio.create_task(client.call_tool("charge", asked))
        await until_count(effects, "charge", 1)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await answer(client, "process_id")  # the server has heard of the cancellation before this
        shop.open_gate()
        told = await ended(client, "k")
    assert told["result"] == {"charge": "ch_7", "cents": 4200}
    assert effects.count("charge") == 1


async def test_a_server_that_is_killed_leaves_it_abandoned_and_not_repeated(
    shop: Shop, effects: Effects, database_clock: DatabaseClock
) -> None:
    asked = {"month": "may", "gate": shop.gate}
    async with shop.client() as client:
        assert (await answer(client, "report", **asked))["status"] == "running"
        await until_count(effects, "report", 1)
        await kill(client)
    database_clock.advance(timedelta(hours=1))
    shop.open_gate()
    async with shop.client() as client:
        status = await answer(client, "execution_status", key="report:may")
        refused = await refusal(client, "report", **asked)
        listed = await answer(client, "list_executions", abandoned_only=True)
    assert (status["status"], status["abandoned"]) == ("running", True)
    assert "Nobody knows" in refused
    assert [one["key"] for one in listed["executions"]] == ["report:may"]
    assert effects.count("report") == 1


@pytest.mark.usefixtures("patient_client")
async def test_a_server_that_ends_waits_for_what_it_runs(shop: Shop, effects: Effects) -> None:
    async def open_gate_when_it_ends() -> None:
        await until(shop.ending, ending=True)
        shop.open_gate()

    async with shop.client(finish_within=60) as client:
        await answer(client, "report", month="may", gate=shop.gate)
        await until_count(effects, "report", 1)
        opening = asyncio.create_task(open_gate_when_it_ends())
    await opening
    async with shop.client() as client:
        status = await answer(client, "execution_status", key="report:may")
    assert (status["status"], status["result"]) == ("completed", "the report for may")


@pytest.mark.usefixtures("patient_client")
async def test_a_server_that_ends_before_its_work_records_that_nobody_knows(
    shop: Shop, effects: Effects
) -> None:
    async with shop.client(finish_within=0) as client:
        await answer(client, "report", month="may", gate=shop.gate)
        await until_count(effects, "report", 1)
    async with shop.client() as client:
        status = await answer(client, "execution_status", key="report:may")
        attempts = await answer(client, "execution_attempts", key="report:may")
    assert (status["status"], status["abandoned"]) == ("failed", True)
    assert [one["outcome"] for one in attempts["attempts"]] == ["abandoned"]
    assert "report:may' was interrupted" in shop.log


async def test_failures_are_told_in_words_and_may_be_tried_again(
    shop: Shop, effects: Effects
) -> None:
    async with shop.client() as client:
        for attempt in (1, 2):
            assert await refusal(client, "fail", how="declined", idempotency_key="k") == (
                f"Execution 'k' failed in attempt {attempt}: the card was declined. The same call "
                "with the same key may run it again."
            )
        await refusal(client, "fail", how="it", idempotency_key="crash")
        status = await answer(client, "execution_status", key="crash")
        nothing = await answer(client, "fail", how="not at all", idempotency_key="none")
    assert (status["status"], status["error_message"]) == ("failed", "cannot do it")
    assert (nothing["status"], nothing["result"]) == ("completed", None)
    assert effects.count("fail") == 4
    assert "RuntimeError" in shop.log


async def test_an_unknown_outcome_is_told_and_never_repeated(shop: Shop, effects: Effects) -> None:
    async with shop.client() as client:
        refused = [
            await refusal(client, "fail", how="unknown", idempotency_key="k") for _ in range(3)
        ]
    assert len(set(refused)) == 1
    assert "the bank did not answer. Nobody knows" in refused[0]
    assert effects.count("fail") == 1


async def test_a_result_that_cannot_be_stored_is_told_and_the_effect_not_repeated(
    shop: Shop, effects: Effects
) -> None:
    async with shop.client() as client:
        said = {await refusal(client, "measure", idempotency_key="k") for _ in range(2)}
    (once,) = said
    assert "cannot be stored" in once
    assert once.endswith("It is not run again.")
    assert effects.count("measure") == 1
    assert "could not be recorded" in shop.log


async def test_a_key_with_other_arguments_or_for_another_tool_is_refused(
    shop: Shop, effects: Effects
) -> None:
    async with shop.client() as client:
        await answer(client, "charge", order=7, idempotency_key="k")
        assert "with other arguments" in await refusal(
            client, "charge", order=8, idempotency_key="k"
        )
        assert "for another tool" in await refusal(
            client, "fail", how="not at all", idempotency_key="k"
        )
        assert "must not be blank" in await refusal(client, "charge", order=7, idempotency_key=" ")
        assert "idempotency_key" in await refusal(client, "charge", order=7)
    assert effects.count("charge") == 1


async def test_keys_of_the_tools_are_each_users_own(
    shop: Shop, tracker: ExecutionTracker, other_user_id: Any, effects: Effects
) -> None:
    """Somebody else's global key of the same name is neither seen nor in the way."""
    tracker.execute_idempotent(options("k", other_user_id), Calls())
    async with shop.client() as client:
        assert "no execution" in await refusal(client, "execution_status", key="k")
        charged = await answer(client, "charge", order=7, idempotency_key="k")
    assert not charged["replayed"]
    assert effects.count("charge") == 1

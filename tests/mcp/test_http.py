"""The same tools over streamable HTTP, for several users who sign in."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.mcp.clients import Shop, answer, ended, refusal, signed_in, until, until_count

if TYPE_CHECKING:
    from uuid import UUID

    from exec_tracker.testing.effects import Effects


async def test_each_user_who_signs_in_has_keys_of_their_own(
    shop: Shop, other_user_id: UUID, effects: Effects
) -> None:
    asked = {"order": 7, "idempotency_key": "k"}
    with shop.http() as (url, _):
        async with signed_in(url, shop.user) as ada, signed_in(url, other_user_id) as bob:
            await answer(ada, "charge", **asked)
            absent = await refusal(bob, "execution_status", key="k")
            charged = await answer(bob, "charge", **asked)
            listed = await answer(ada, "list_executions")
            secret = await refusal(ada, "execution_status", key=f"{other_user_id}:k")
    assert absent == "There is no execution with the key 'k'."
    assert secret == f"There is no execution with the key '{other_user_id}:k'."
    assert not charged["replayed"]
    assert [one["key"] for one in listed["executions"]] == ["k"]
    assert effects.count("charge") == 2


async def test_a_client_that_disconnects_finds_the_outcome_when_it_returns(
    shop: Shop, effects: Effects
) -> None:
    with shop.http() as (url, _):
        async with signed_in(url, shop.user) as client:
            asked = {"order": 7, "idempotency_key": "k", "gate": shop.gate}
            call = asyncio.create_task(client.call_tool("charge", asked))
            await until_count(effects, "charge", 1)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        shop.open_gate()
        async with signed_in(url, shop.user) as client:
            told = await ended(client, "k")
            again = await answer(client, "charge", **asked)
    assert told["result"] == again["result"] == {"charge": "ch_7", "cents": 4200}
    assert effects.count("charge") == 1


async def test_a_server_that_is_stopped_finishes_what_it_runs(shop: Shop, effects: Effects) -> None:
    asked = {"month": "may", "gate": shop.gate}
    with shop.http(finish_within=60) as (url, server):
        async with signed_in(url, shop.user) as client:
            assert (await answer(client, "report", **asked))["status"] == "running"
            await until_count(effects, "report", 1)
        server.send_signal(signal.SIGTERM)
        await until(shop.ending, ending=True)
        shop.open_gate()
        await asyncio.to_thread(server.wait, 60)
    with shop.http() as (url, _):
        async with signed_in(url, shop.user) as client:
            status = await answer(client, "execution_status", key="report:may")
    assert (status["status"], status["result"]) == ("completed", "the report for may")


async def test_who_has_not_signed_in_is_told_so(shop: Shop) -> None:
    with shop.http() as (url, _):
        async with httpx2.AsyncClient(trust_env=False) as http:
            assert (await http.post(url, json={})).status_code == 401
    async with shop.client(user=None) as client:
        for tool, arguments in (
            ("execution_status", {"key": "k"}),
            ("list_executions", {}),
            ("charge", {"order": 7, "idempotency_key": "k"}),
        ):
            assert "sign in first" in await refusal(client, tool, **arguments)


@pytest.mark.parametrize("tool", ["execution_status", "charge"])
async def test_a_database_that_is_away_is_told_without_naming_it(
    shop: Shop, database_url: str, tool: str
) -> None:
    away = "postgresql://somebody:secret@127.0.0.1:1/elsewhere"
    arguments = {"key": "k"} if tool == "execution_status" else {"order": 7, "idempotency_key": "k"}
    async with shop.client(url=away, effects=database_url) as client:
        said = await refusal(client, tool, **arguments)
    assert "cannot be used for the moment" in said
    for name in ("somebody", "secret", "127.0.0.1", "elsewhere"):
        assert name not in said
    assert "secret" not in shop.log

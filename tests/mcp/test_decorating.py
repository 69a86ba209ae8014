"""What a tool looks like once it is decorated, and what is refused before it can be called."""

from __future__ import annotations

import inspect
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import InputRequiredResult, TextContent
from pydantic import BaseModel

from exec_tracker import AsyncExecutionTracker, ConfigurationError, ExecutionTracker, KeyScope
from exec_tracker.integrations.mcp import add_execution_tools, build_server, idempotent_tool
from tests.mcp.clients import answer, refusal
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from uuid import UUID

USER = "5f0c1d62-9a56-4b53-8f43-1a3b2f6f9a10"


class Page(BaseModel):
    """A result with a type of its own."""

    number: int


@pytest.fixture
async def nowhere() -> AsyncExecutionTracker:
    """Return a tracker that nothing is asked of."""
    return AsyncExecutionTracker("postgresql://127.0.0.1:1/x")


async def page(number: int, context: Context[Any, Any], size: int = 1) -> Page:
    """Print a page."""
    return Page(number=number * size)


async def test_the_key_is_added_and_the_rest_looks_as_it_did(
    nowhere: AsyncExecutionTracker,
) -> None:
    tool = idempotent_tool(nowhere, workflow_id="page", user_id=USER)(page)
    assert tool.__name__ == "page"
    assert tool.__doc__ == "Print a page."
    assert list(inspect.signature(tool).parameters) == [
        "number",
        "context",
        "size",
        "idempotency_key",
    ]
    other = idempotent_tool(nowhere, workflow_id="page", user_id=USER, key="page:{number}")(page)
    assert "idempotency_key" not in inspect.signature(other).parameters


async def anything(*numbers: int) -> None:
    """Take any number of them."""


async def asking(number: int) -> Page | InputRequiredResult:
    """Ask its client in the middle."""
    return Page(number=number)


@pytest.mark.parametrize(
    ("function", "settings", "said"),
    [
        (page, {"key": "order-7"}, "must name an argument"),
        (page, {"key": "page:{nummer}"}, "'nummer', which is no argument"),
        (page, {"parameters": ["nummer"]}, "'nummer', which is no argument"),
        (page, {"user_id": "somebody"}, "user_id must be a UUID"),
        (page, {"user_id": None}, "user_id must be a UUID"),
        (page, {"on_running": "wait"}, "on_running is not for tools"),
        (page, {"on_failed": "never"}, "on_failed must be"),
        (page, {"answer_within": timedelta(seconds=-1)}, "answer_within must be"),
        (anything, {}, "takes its arguments by name"),
        (asking, {}, "cannot be stored and replayed"),
    ],
)
async def test_what_cannot_work_is_refused_before_the_tool_is_registered(
    nowhere: AsyncExecutionTracker, function: Any, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        idempotent_tool(nowhere, **{"workflow_id": "page", "user_id": USER, **settings})(function)


async def test_tools_for_everybody_cannot_be_had(nowhere: AsyncExecutionTracker) -> None:
    nobody: Any = None
    with pytest.raises(ConfigurationError, match="user_id must be a UUID"):
        build_server(nowhere, user_id=nobody)
    with pytest.raises(ConfigurationError, match="user_id must be a UUID"):
        add_execution_tools(MCPServer[Any]("shop"), nowhere, user_id=nobody)


async def test_the_user_may_be_found_out_by_a_coroutine(
    database_url: str, tracker: ExecutionTracker, user_id: UUID
) -> None:
    asked = options("k", user_id, key_scope=KeyScope.USER)
    tracker.execute_idempotent(asked, Calls("done"))

    async def look_up(context: Context[Any, Any]) -> str | None:
        return str(user_id) if context.request_id else None

    async with (
        AsyncExecutionTracker(database_url) as own,
        Client(build_server(own, user_id=look_up)) as client,
    ):
        assert (await answer(client, "execution_status", key="k"))["result"] == "done"


async def untyped(number: int) -> Any:
    """Return plain JSON types."""
    return {"number": (number,)}


def in_bytes(number: int) -> bytes:
    """Return what JSON has no type for."""
    return bytes([255, number])


async def in_blocks(number: int) -> list[TextContent]:
    """Return what a client would render."""
    return [TextContent(type="text", text=str(number))]


@pytest.mark.parametrize(
    ("function", "settings", "expected"),
    [
        (page, {}, {"number": 3}),
        (untyped, {}, {"number": [3]}),
        (untyped, {"result_type": dict[str, list[str | int]]}, {"number": [3]}),
        (in_bytes, {}, "_wM="),
        (in_blocks, {}, [{"type": "text", "text": "3", "annotations": None, "_meta": None}]),
    ],
)
async def test_a_replay_answers_as_the_first_call_did_whatever_the_result_is(
    database_url: str, user_id: UUID, function: Any, settings: Any, expected: Any
) -> None:
    async with AsyncExecutionTracker(database_url) as own:
        server = build_server(own, user_id=user_id)
        wrap = idempotent_tool(own, workflow_id="w", user_id=user_id, key="{number}", **settings)
        server.add_tool(wrap(function), name="tool")
        async with Client(server) as client:
            first = await answer(client, "tool", number=3)
            again = await answer(client, "tool", number=3)
    assert (first["result"], first["replayed"]) == (expected, False)
    assert (again["result"], again["replayed"]) == (expected, True)


async def test_keys_for_everybody_are_refused_without_a_word_about_their_owner(
    database_url: str, tracker: ExecutionTracker, user_id: UUID, other_user_id: UUID
) -> None:
    tracker.execute_idempotent(options("k", other_user_id), Calls("secret"))
    async with AsyncExecutionTracker(database_url) as own:
        server = build_server(own, user_id=user_id)
        server.add_tool(
            idempotent_tool(own, workflow_id="w", user_id=user_id, key_scope=KeyScope.GLOBAL)(page)
        )
        async with Client(server) as client:
            said = await refusal(client, "page", number=1, idempotency_key="k")
    assert said == "The key was first used for another request: take a new key for a new request."

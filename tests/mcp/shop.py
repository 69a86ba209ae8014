"""A server for the tests, in a process of its own: tools whose effects are counted outside.

    python -m tests.mcp.shop '{"url": …, "user": …, "http": …}'

With `http` it serves streamable HTTP, and prints where; then a client's bearer token is its user's
id. A tool that is given a `gate` ends when that file exists, so that a test decides when that is.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import AnyHttpUrl, BaseModel

from exec_tracker import AsyncExecutionTracker, OutcomeUnknownError
from exec_tracker.integrations.mcp import add_execution_tools, finishing, idempotent_tool
from exec_tracker.testing.effects import Effects

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Longer than any test takes: what ends later than this was never meant to end.
PATIENCE = timedelta(minutes=2)
MOMENT = timedelta(milliseconds=50)


class Receipt(BaseModel):
    charge: str
    cents: int


class Tokens:
    """Takes every token for the id of its user."""

    async def verify_token(self, token: str) -> AccessToken:
        return AccessToken(token=token, client_id="tests", scopes=[], subject=token)


def signed_in(_context: Context[Any, Any]) -> str | None:
    token = get_access_token()
    return None if token is None else token.subject


def wait_for(gate: str | None) -> None:
    """Wait for a file; a test that never makes it has failed already."""
    ends = time.monotonic() + PATIENCE.total_seconds()
    while gate is not None and not Path(gate).exists() and time.monotonic() < ends:
        time.sleep(0.01)


async def opened(gate: str | None) -> None:
    """Look from the loop, so that the work can be cancelled."""
    while gate is not None and not await asyncio.to_thread(Path(gate).exists):  # noqa: ASYNC110 # made by another process
        await asyncio.sleep(0.01)


def add_tools(server: MCPServer[Any], tracker: AsyncExecutionTracker, setup: Any) -> None:
    user = setup.get("user") or signed_in
    effects = Effects(setup.get("effects", setup["url"]))
    add_execution_tools(server, tracker, user_id=user, diagnostics=setup.get("diagnostics", False))

    @server.tool()
    def process_id() -> int:
        return os.getpid()

    @server.tool()
    @idempotent_tool(tracker, workflow_id="charge", user_id=user, answer_within=PATIENCE)
    async def charge(order: int, cents: int = 4200, gate: str | None = None) -> Receipt:
        """Charge the card for an order."""
        await asyncio.to_thread(effects("charge"))
        await opened(gate)
        return Receipt(charge=f"ch_{order}", cents=cents)

    @server.tool()
    @idempotent_tool(
        tracker, workflow_id="report", user_id=user, key="report:{month}", answer_within=MOMENT
    )
    async def report(month: str, gate: str, context: Context[Any, Any]) -> str:
        await asyncio.to_thread(effects("report"))
        await opened(gate)
        await context.report_progress(1)
        return f"the report for {month}"

    @server.tool()
    @idempotent_tool(tracker, workflow_id="print", user_id=user, answer_within=MOMENT)
    def print_pages(pages: int, gate: str, idempotency_key: str) -> dict[str, int | str]:
        """Run in a thread, and take the key along."""
        effects("print")()
        wait_for(gate)
        return {"pages": pages, "key": idempotency_key}

    @server.tool()
    @idempotent_tool(tracker, workflow_id="fail", user_id=user, answer_within=PATIENCE)
    async def fail(how: str) -> None:
        await asyncio.to_thread(effects("fail"))
        if how == "declined":
            raise ToolError("the card was declined")
        if how == "unknown":
            raise OutcomeUnknownError("the bank did not answer")
        if how != "not at all":
            raise RuntimeError(f"cannot do {how}")

    @server.tool()
    @idempotent_tool(tracker, workflow_id="measure", user_id=user, answer_within=PATIENCE)
    async def measure() -> float:
        await asyncio.to_thread(effects("measure"))
        return float("nan")


def build(setup: Any) -> MCPServer[Any]:
    tracker = AsyncExecutionTracker(setup["url"])

    @asynccontextmanager
    async def lifespan(_server: MCPServer[Any]) -> AsyncIterator[dict[str, Any]]:
        within = timedelta(seconds=setup.get("finish_within", 0))
        async with tracker, finishing(tracker, within=within):
            yield {}
            await asyncio.to_thread(Path(setup["ending"]).touch)

    options: dict[str, Any] = {}
    if setup.get("http"):
        issuer = AnyHttpUrl("https://login.example")
        options = {
            "auth": AuthSettings(issuer_url=issuer, resource_server_url=None),
            "token_verifier": Tokens(),
        }
    server = MCPServer[Any]("shop", lifespan=lifespan, log_level="WARNING", **options)
    add_tools(server, tracker, setup)
    return server


def serve_http(server: MCPServer[Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp\n")
        sys.stdout.flush()
        config = uvicorn.Config(server.streamable_http_app(), log_level="warning")
        asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)  # first come: the SDK would fold the lines
    chosen = json.loads(sys.argv[1])
    if chosen.get("http"):
        serve_http(build(chosen))
    else:
        build(chosen).run()

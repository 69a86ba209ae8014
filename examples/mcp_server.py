"""An MCP server whose tools have one effect per key, and can be asked what became of it.

    python examples/mcp_server.py [DATABASE_URL]

It talks to the client that starts it, over standard input and output. Without a URL it starts a
private PostgreSQL, for which it needs the extra `embedded`.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations
from pydantic import BaseModel

from exec_tracker import AsyncExecutionTracker, migrations
from exec_tracker.embedded import EmbeddedPostgres
from exec_tracker.integrations.mcp import add_execution_tools, finishing, idempotent_tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ADA = UUID("5f0c1d62-9a56-4b53-8f43-1a3b2f6f9a10")

# The client may show this, and ask less often whether a tool may be called again.
REPEATABLE = ToolAnnotations(idempotent_hint=True, destructive_hint=False)


class Receipt(BaseModel):
    """What the payment provider gave us; a replay gives the same."""

    charge: str
    cents: int


def shop(tracker: AsyncExecutionTracker) -> MCPServer[Any]:
    """Make the server: two tools that do something, and the three that tell about it."""

    @asynccontextmanager
    async def lifespan(_server: MCPServer[Any]) -> AsyncIterator[dict[str, Any]]:
        async with tracker, finishing(tracker, within=timedelta(seconds=1)):
            await tracker.ensure_user(ADA)
            yield {}

    server = MCPServer[Any]("shop", lifespan=lifespan, log_level="WARNING")
    add_execution_tools(server, tracker, user_id=ADA)

    @server.tool(annotations=REPEATABLE)
    @idempotent_tool(tracker, workflow_id="charge", user_id=ADA, unknown_on=(TimeoutError,))
    async def charge_order(order: int, cents: int, idempotency_key: str) -> Receipt:
        """Charge an order. The provider is given the key as well."""
        return Receipt(charge=f"ch_{order}_{idempotency_key}", cents=cents)

    @server.tool(annotations=REPEATABLE)
    @idempotent_tool(
        tracker,
        workflow_id="yearly-report",
        user_id=ADA,
        key="report:{year}",
        answer_within=timedelta(milliseconds=100),
    )
    async def make_report(year: int) -> str:
        """Make the report of a year, which takes a while."""
        await asyncio.sleep(1)
        return f"the report for {year}"

    return server


def serve(url: str) -> None:
    """Serve until the client goes."""
    migrations.upgrade(url)
    shop(AsyncExecutionTracker(url)).run()


def main() -> None:
    """Serve on the database that is named, or on one of our own."""
    if len(sys.argv) > 1:
        serve(sys.argv[1])
        return
    with EmbeddedPostgres() as own:
        serve(own.url)


if __name__ == "__main__":
    main()

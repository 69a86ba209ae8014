"""Tell MCP clients what became of executions, and make MCP tools idempotent; needs extra `mcp`.

`build_server` makes a server with three tools that only read: `execution_status`,
`list_executions` and `execution_attempts`. `add_execution_tools` adds them to a server of yours,
and `idempotent_tool` wraps the tools that do something: each key has one effect, and work that
takes longer than a moment goes on behind the answer.
"""

from __future__ import annotations

from exec_tracker.errors import ConfigurationError

try:
    import mcp.server.mcpserver  # noqa: F401 # as of SDK 2; version 1 has another name for it
except ImportError as exc:
    raise ConfigurationError(
        "Executions are served over MCP with its SDK, version 2: pip install 'exec_tracker[mcp]'."
    ) from exc

from exec_tracker.integrations.mcp.background import finishing
from exec_tracker.integrations.mcp.reading import add_execution_tools, build_server
from exec_tracker.integrations.mcp.views import (
    AttemptListing,
    AttemptReport,
    ExecutionListing,
    ExecutionOverview,
    ExecutionReport,
    ToolAnswer,
)
from exec_tracker.integrations.mcp.wrapping import idempotent_tool

__all__ = [
    "AttemptListing",
    "AttemptReport",
    "ExecutionListing",
    "ExecutionOverview",
    "ExecutionReport",
    "ToolAnswer",
    "add_execution_tools",
    "build_server",
    "finishing",
    "idempotent_tool",
]

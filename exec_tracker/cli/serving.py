"""`mcp`: show a user's executions to MCP clients, over stdio or streamable HTTP."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from exec_tracker.aio import AsyncExecutionTracker
from exec_tracker.cli.connecting import chosen_url, connected, local_user
from exec_tracker.cli.faults import CommandLineError
from exec_tracker.cli.options import DatabaseUrl, Schema
from exec_tracker.cli.output import say
from exec_tracker.cli.statuses import ExitStatus
from exec_tracker.settings import normalise_url
from exec_tracker.tracker import ExecutionTracker

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer
    from sqlalchemy import URL

__all__ = ["Transport", "mcp"]


class Transport(StrEnum):
    """How clients reach the server."""

    STDIO = "stdio"
    HTTP = "http"


_Transport = Annotated[
    Transport, typer.Option("--transport", help="stdio for a client that starts us, or http.")
]
_Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where http listens.")]
_Port = Annotated[
    int, typer.Option("--port", metavar="N", min=0, max=65535, help="With http; 0 is a free one.")
]
_User = Annotated[
    UUID | None,
    typer.Option("--user", metavar="UUID", help="Whose executions; else the local user's."),
]
_Diagnostics = Annotated[
    bool, typer.Option("--diagnostics", help="Show tracebacks and the names of workers as well.")
]


def mcp(
    *,
    transport: _Transport = Transport.STDIO,
    host: _Host = "127.0.0.1",
    port: _Port = 8000,
    user: _User = None,
    diagnostics: _Diagnostics = False,
    url: DatabaseUrl = None,
    schema: Schema = None,
) -> None:
    """Show one user's executions to MCP clients; nothing can be changed."""
    # Only this command needs the extra.
    from exec_tracker.integrations.mcp import build_server  # noqa: PLC0415

    owner = _owner(user, url, schema)
    tracker = AsyncExecutionTracker(_asynchronous(chosen_url(url)), schema=schema)
    server = build_server(
        tracker,
        user_id=owner,
        name="exec-tracker",
        diagnostics=diagnostics,
        log_level="WARNING",  # on standard error; standard output is the protocol's
    )
    asyncio.run(_serve(server, tracker, None if transport is Transport.STDIO else (host, port)))


def _owner(user: UUID | None, url: str | None, schema: str | None) -> UUID:
    """Return whose executions to show; a database that cannot be used is an error now."""
    with connected(url) as engine, ExecutionTracker(engine, schema=schema) as tracker:
        owner = user or local_user(engine, tracker, schema)
        tracker.list_executions(user_id=owner, limit=1)
    return owner


def _asynchronous(url: URL) -> URL:
    """Return the URL for a driver that AsyncExecutionTracker can use."""
    if url.get_driver_name() != "psycopg":  # which is both
        url = url.set(drivername="postgresql")
    fitted = normalise_url(url, asynchronous=True)
    if fitted.get_driver_name() == "asyncpg":  # it knows no such setting
        fitted = fitted.difference_update_query(["connect_timeout"])
    return fitted


async def _serve(
    server: MCPServer[Any], tracker: AsyncExecutionTracker, address: tuple[str, int] | None
) -> None:
    async with tracker:
        if address is None:
            await server.run_stdio_async()
        else:
            await _serve_http(server, *address)


async def _serve_http(server: MCPServer[Any], host: str, port: int) -> None:
    import uvicorn  # noqa: PLC0415 # comes with the extra

    if not _is_loopback(host):
        say(f"whoever reaches {host} can read these executions: put a login before it")
    with _listening(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        say(f"serving MCP on http://{shown}:{listener.getsockname()[1]}/mcp")
        app = server.streamable_http_app(host=host, stateless_http=True)
        config = uvicorn.Config(app, log_level="warning")
        await uvicorn.Server(config).serve(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise CommandLineError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}",
            ExitStatus.UNAVAILABLE,
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

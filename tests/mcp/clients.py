"""The SDK's own client, talking to servers in other processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from uuid import UUID

    from exec_tracker.testing.effects import Effects

ROOT = Path(__file__).parents[2]
_PATIENCE = 90.0


@dataclass(frozen=True, slots=True)
class Shop:
    """How to start `tests.mcp.shop` for one user of one database."""

    url: str
    user: UUID
    folder: Path

    @property
    def gate(self) -> str:
        """The file that lets its tools end."""
        return str(self.folder / "gate")

    @property
    def log(self) -> str:
        """What its servers wrote to standard error."""
        return (self.folder / "log").read_text()

    def open_gate(self) -> None:
        Path(self.gate).touch()

    async def ending(self) -> dict[str, Any]:
        """Tell whether a server has begun to end."""
        return {"ending": (self.folder / "ending").exists()}

    def chosen(self, **setup: Any) -> str:
        """Return how to set up a server, as JSON."""
        usual = {"url": self.url, "user": str(self.user), "ending": str(self.folder / "ending")}
        return json.dumps({**usual, **setup})

    @contextmanager
    def http(self, **setup: Any) -> Iterator[tuple[str, subprocess.Popen[str]]]:
        """Start a server for users who sign in by their ids; yield where it is."""
        command = ("-m", "tests.mcp.shop", self.chosen(user=None, http=True, **setup))
        with serving(self.folder / "log", sys.executable, *command) as server:
            assert server.stdout is not None
            yield server.stdout.readline().strip(), server

    @asynccontextmanager
    async def client(self, **setup: Any) -> AsyncIterator[Client]:
        """Start a server, connected by its standard streams."""
        command = ("-m", "tests.mcp.shop", self.chosen(**setup))
        async with started(self.folder / "log", sys.executable, *command) as client:
            yield client


@asynccontextmanager
async def started(
    log: Path, command: str, *arguments: str, **variables: str
) -> AsyncIterator[Client]:
    """Start any server, connected by its standard streams."""
    parameters = StdioServerParameters(
        command=command, args=list(arguments), env={**os.environ, **variables}, cwd=ROOT
    )
    with log.open("a") as errors:
        async with Client(stdio_client(parameters, errlog=errors)) as client:
            yield client


@contextmanager
def serving(
    log: Path, *command: str, stderr: int | None = None, **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """Start a server that is not its client's child, and stop it afterwards."""
    with (
        log.open("a") as errors,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=stderr or errors,
            text=True,
        ) as server,
    ):
        try:
            yield server
        finally:
            server.kill()


@asynccontextmanager
async def signed_in(url: str, user: UUID) -> AsyncIterator[Client]:
    """Connect to a shop over HTTP, as a user."""
    headers = {"Authorization": f"Bearer {user}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=_PATIENCE, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


async def answer(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that must answer, and check that text and structure say the same."""
    result = await client.call_tool(tool, arguments)
    said = "".join(getattr(block, "text", "") for block in result.content)
    assert not result.is_error, said
    structured = result.structured_content
    assert isinstance(structured, dict)
    assert json.loads(said) in (structured, structured.get("result"))
    return structured


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that must refuse, and return what it says, without the SDK's own words."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result
    said = "".join(getattr(block, "text", "") for block in result.content)
    return said.removeprefix(f"Error executing tool {tool}: ")


async def until(look: Callable[[], Awaitable[dict[str, Any]]], **expected: Any) -> dict[str, Any]:
    """Look until what is expected is seen."""
    ends = time.monotonic() + _PATIENCE
    while True:
        seen = await look()
        if {name: seen[name] for name in expected} == expected:
            return seen
        assert time.monotonic() < ends, seen
        await asyncio.sleep(0.02)


async def kill(client: Client) -> None:
    """Kill a shop's process, as the machine does when memory is short."""
    os.kill((await answer(client, "process_id"))["result"], signal.SIGKILL)


async def ended(client: Client, key: str) -> dict[str, Any]:
    return await until(
        lambda: answer(client, "execution_status", key=key), status="completed", abandoned=False
    )


async def until_count(effects: Effects, name: str, count: int) -> None:
    """Wait until an effect has happened, in whichever process."""

    async def counted() -> dict[str, Any]:
        return {"count": await asyncio.to_thread(effects.count, name)}

    await until(counted, count=count)

"""`exec-tracker mcp`, as clients start it and as people do."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from mcp import Client

from tests.integration.cli_support import CommandLine
from tests.mcp.clients import Shop, answer, refusal, serving, started
from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from exec_tracker import ExecutionTracker

COMMAND = (sys.executable, "-m", "exec_tracker", "mcp")
TOOLS = {"execution_status", "list_executions", "execution_attempts"}


async def test_a_client_that_starts_the_command_reads_its_users_executions(
    shop: Shop, tracker: ExecutionTracker, other_user_id: UUID
) -> None:
    tracker.execute_idempotent(options("k", shop.user), Calls("done"))
    tracker.execute_idempotent(options("other", other_user_id), Calls())
    arguments = ("--user", str(shop.user), "--url", shop.url)
    async with started(shop.folder / "log", *COMMAND, *arguments) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
        assert (await answer(client, "execution_status", key="k"))["result"] == "done"
        assert "no execution" in await refusal(client, "execution_status", key="other")


async def test_over_http_it_listens_here_and_serves_the_local_user_of_a_standalone_database(
    shop: Shop, database_url: str
) -> None:
    run = ("run", "--key", "k", "--workflow", "nightly", "--", "true")
    assert CommandLine(database_url)(*run).status == 0
    variables = {"EXEC_TRACKER_DATABASE_URL": database_url}
    arguments = ("--transport", "http", "--port", "0")
    log = shop.folder / "log"
    with serving(log, *COMMAND, *arguments, stderr=subprocess.PIPE, **variables) as server:
        assert server.stderr is not None
        said, _, url = server.stderr.readline().strip().rpartition(" ")
        async with Client(url) as client, Client(url, mode="legacy") as other:
            for one in (client, other):
                listed = await answer(one, "list_executions")
                assert [it["key"] for it in listed["executions"]] == ["k"]
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) in (143, -signal.SIGTERM)
    assert said == "exec-tracker: serving MCP on"
    assert url.startswith("http://127.0.0.1:")


def test_standard_output_carries_nothing_but_the_protocol(database_url: str, user_id: UUID) -> None:
    messages: list[dict[str, Any]] = [
        {
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "tests", "version": "1"},
            },
        },
        {"method": "notifications/initialized"},
        {
            "id": 2,
            "method": "tools/call",
            "params": {"name": "execution_status", "arguments": {"key": "absent"}},
        },
    ]
    lines = "".join(json.dumps({"jsonrpc": "2.0", **one}) + "\n" for one in messages)
    done = subprocess.run(
        [*COMMAND, "--url", database_url, "--user", str(user_id)],
        input=f"this is no message\n{lines}",
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert {one["jsonrpc"] for one in answers} == {"2.0"}
    assert {1, 2} <= {one.get("id") for one in answers}


def test_a_database_that_cannot_be_used_is_an_error_at_once(
    empty_database_url: str, user_id: UUID
) -> None:
    user = ("--user", str(user_id))
    for url, status, said in (
        (None, 78, "no database is configured"),
        (empty_database_url, 78, "exec-tracker db upgrade"),
        ("postgresql://x:secret@127.0.0.1:1/x", 69, "127.0.0.1"),
    ):
        answered = CommandLine(url)("mcp", *user)
        assert (answered.status, answered.out) == (status, b"")
        assert said in answered.err
        assert "secret" not in answered.err


def test_an_address_that_cannot_be_listened_on_is_an_error_and_one_for_all_a_warning(
    database_url: str,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answered = CommandLine(database_url)("mcp", "--transport", "http", "--port", port)
    assert (answered.status, "cannot listen on 127.0.0.1" in answered.err) == (69, True)
    # Of a block that is given to nobody: it is no address of this machine.
    answered = CommandLine(database_url)("mcp", "--transport", "http", "--host", "192.0.2.1")
    assert answered.status == 69
    assert "whoever reaches 192.0.2.1" in answered.err


def test_without_the_extra_the_command_names_it_and_the_others_work(tmp_path: Path) -> None:
    for version in ("'mcp'", "'mcp.server.mcpserver'"):  # not installed, or an older one
        code = (
            f"import sys; sys.modules[{version}] = None\n"
            "from exec_tracker.cli.app import run; sys.exit(run())"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, "mcp"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (78, "")
        assert "pip install 'exec_tracker[mcp]'" in done.stderr
        assert done.stderr.count("\n") == 1

"""Servers killed in the middle of payments: no key is paid twice, and none is lost silently."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest

from tests.http.client import Client, connected, problem
from tests.support.database import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from tests.support.database import Database
    from tests.support.fixtures import Background

ROOT = Path(__file__).parents[2]
KEYS = 6

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextlib.contextmanager
def server(url: str, port: int, hangs: str) -> Iterator[subprocess.Popen[bytes]]:
    """Serve in a process of its own, and kill that at the end of the block."""
    command = [sys.executable, "-m", "tests.http.killable", url, str(port), hangs]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            eventually(lambda: accepts(port) or process.poll() is not None, 60)
            assert process.poll() is None
            yield process
        finally:
            process.kill()


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def outcome(client: Client, key: str) -> tuple[int, str]:
    """Repeat a request until it is not in progress; a cut connection counts as no answer."""

    def ended() -> tuple[int, str] | None:
        try:
            response = client.send(key)
        except httpx.TransportError:
            return (0, "cut")
        if response.status_code == 201:
            return (201, "")
        found = problem(response)
        return None if found == (409, "in-progress") else found

    answer: tuple[int, str] = eventually(ended, 60)
    return answer


@pytest.mark.parametrize("hangs", ["before", "after"])
def test_a_server_killed_in_a_handler_leaves_what_nobody_knows_and_pays_nothing_twice(  # noqa: PLR0917 # fixtures are asked for by name
    hangs: str,
    database_url: str,
    database: Database,
    user_id: UUID,
    port: int,
    background: Background,
) -> None:
    database.run("CREATE TABLE payments (key text)")
    keys = [str(uuid4()) for _ in range(KEYS)]
    with connected(f"http://127.0.0.1:{port}") as http:
        client = Client(http, user_id)
        with server(database_url, port, "never"):
            assert outcome(client, "paid") == (201, "")
        with server(database_url, port, hangs) as process:
            sent = [background(outcome, client, key) for key in keys]
            running = "SELECT count(*) FROM workflow_executions WHERE status = 'running'"
            eventually(lambda: database.value(running) == KEYS, 60)
            paid = 0 if hangs == "before" else KEYS
            eventually(lambda: database.value("SELECT count(*) FROM payments") == paid + 1, 60)
            process.kill()
            assert {one.result() for one in sent} == {(0, "cut")}
        with server(database_url, port, "never"):
            for _ in range(2):
                assert {outcome(client, key) for key in keys} == {(409, "outcome-unknown")}
            assert outcome(client, "paid") == (201, "")
    assert database.value("SELECT count(*) FROM payments") == paid + 1
    assert database.value("SELECT count(DISTINCT key) FROM payments") == paid + 1


def test_a_server_killed_again_and_again_pays_each_key_at_most_once(
    database_url: str, database: Database, user_id: UUID, port: int, background: Background
) -> None:
    database.run("CREATE TABLE payments (key text)")
    keys = [str(uuid4()) for _ in range(4 * KEYS)]
    settled = {(201, ""), (409, "outcome-unknown")}

    def persist(key: str) -> tuple[int, str]:
        """Send it until there is a final answer, over as many servers as it takes."""
        with connected(f"http://127.0.0.1:{port}") as http:
            client = Client(http, user_id)

            def answered() -> tuple[int, str] | None:
                found = outcome(client, key)
                return found if found in settled else None

            answer: tuple[int, str] = eventually(answered, 90)
            return answer

    payments = "SELECT count(*) FROM payments"
    sent = [background(persist, key) for key in keys]
    for _ in range(3):
        before = database.value(payments)
        with server(database_url, port, "pauses"):
            eventually(lambda: database.value(payments) > before or all(one.done() for one in sent))  # noqa: B023 # called within its own turn
    with server(database_url, port, "never"):
        answers = [one.result() for one in sent]
    paid = {row["key"] for row in database.all("SELECT key FROM payments")}
    assert database.value(payments) == len(paid)
    assert set(answers) <= settled
    for key, answer in zip(keys, answers, strict=True):
        assert answer == (409, "outcome-unknown") or f'"{key}"' in paid

"""What docs/howto/pgbouncer.md says, behind a real pgbouncer in transaction mode."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy.engine import URL, make_url

from exec_tracker import AsyncExecutionTracker, ExecuteOptions, ExecutionTracker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

_PROGRAM: Final = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
_CALLS: Final = 120
_KEYS: Final = 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(_PROGRAM is None, reason="pgbouncer is not installed"),
]


@pytest.fixture
def pooled(database_url: str) -> Iterator[URL]:
    """Yield the URL of this test's database behind a pooler with three server connections."""
    server = make_url(database_url)
    folder = Path(tempfile.mkdtemp())
    port = _free_port()
    (folder / "users").write_text(f'"{server.username}" "{server.password}"\n')
    (folder / "ini").write_text(
        f"[databases]\n* = host={server.host} port={server.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = scram-sha-256\nauth_file = {folder}/users\n"
        "pool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 200\n"
    )
    program = [str(_PROGRAM), "--quiet", str(folder / "ini")]
    account = _let_in(folder)
    pooler = subprocess.Popen(program, user=account, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield server.set(host="127.0.0.1", port=port)
    finally:
        pooler.terminate()
        pooler.wait()
        shutil.rmtree(folder)


def _let_in(folder: Path) -> str | None:
    """Return the account to run as: pgbouncer refuses to be root's."""
    if os.getuid() != 0:
        return None
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, "nobody")
    return "nobody"


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 15
    while True:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, "pgbouncer did not come up"
        time.sleep(0.02)


def options(number: int, user_id: UUID) -> ExecuteOptions:
    return ExecuteOptions(idempotency_key=f"k{number % _KEYS}", workflow_id="w", user_id=user_id)


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_many_clients_share_three_connections_of_a_transaction_pooler(
    pooled: URL, user_id: UUID, driver: str
) -> None:
    ran: list[int] = []

    def call(number: int) -> int:
        def work() -> int:
            time.sleep(0.15)  # long enough for a heartbeat
            ran.append(number)
            return number % _KEYS

        return tracker.execute_idempotent(options(number, user_id), work, on_running="wait")

    url = pooled.set(drivername=f"postgresql+{driver}")
    lease = timedelta(seconds=0.3)
    with ExecutionTracker(url, lease=lease) as tracker, ThreadPoolExecutor(12) as threads:
        assert list(threads.map(call, range(_CALLS))) == [one % _KEYS for one in range(_CALLS)]
        assert len(ran) == _KEYS
        asked = options(_KEYS, user_id).model_copy(update={"idempotency_key": "in a transaction"})
        assert tracker.execute_in_transaction(asked, lambda _session: "done") == "done"


async def test_many_tasks_share_them_over_psycopg(pooled: URL, user_id: UUID) -> None:
    ran: list[int] = []
    tracker = AsyncExecutionTracker(pooled.set(drivername="postgresql+psycopg"))

    async def call(number: int) -> int:
        async def work() -> int:
            await asyncio.sleep(0.01)
            ran.append(number)
            return number % _KEYS

        return await tracker.execute_idempotent(options(number, user_id), work, on_running="wait")

    got = await asyncio.gather(*(call(number) for number in range(_CALLS)))
    assert got == [one % _KEYS for one in range(_CALLS)]
    assert len(ran) == _KEYS
    await tracker.aclose()

"""The embedded server ends with the process that started it, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

import pytest

from exec_tracker.embedded import EmbeddedPostgres
from tests.integration.embedded_support import NOT_DURABLE, ask, eventually, refuses

ROOT: Final = Path(__file__).parents[2]


def test_the_server_outlives_the_thread_that_started_it() -> None:
    server = EmbeddedPostgres(settings=NOT_DURABLE)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    with server:
        time.sleep(0.3)
        assert ask(server.url, "SELECT 1") == 1


def test_a_forked_child_does_not_stop_its_parents_server() -> None:
    script = (
        "import os, sys\n"
        "from exec_tracker.embedded import EmbeddedPostgres\n"
        "with EmbeddedPostgres(settings={'fsync': 'off'}) as server:\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        server.stop()\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "    assert server.is_running\n"
        "    assert server.data_directory.exists()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


STARTER = """
import sys, time
from pathlib import Path
from exec_tracker.embedded import EmbeddedPostgres
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
server = EmbeddedPostgres(folder, settings={"fsync": "off"}).start()
print(server.port, server.pid, server.data_directory, flush=True)
time.sleep(600)
"""


def start_elsewhere(*arguments: str) -> tuple[subprocess.Popen[str], int, int, Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    port, pid, folder = process.stdout.readline().split()
    assert not refuses(int(port))
    return process, int(port), int(pid), Path(folder)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_with_its_parent(number: signal.Signals) -> None:
    process, port, _, folder = start_elsewhere()
    with process:
        process.send_signal(number)
    assert eventually(lambda: refuses(port))
    assert eventually(lambda: not folder.exists())


def test_data_of_a_killed_parent_are_served_at_once_by_the_next(open_folder: Path) -> None:
    process, _, _, _ = start_elsewhere(str(open_folder / "data"))
    with process:
        process.kill()
    with EmbeddedPostgres(open_folder / "data", settings=NOT_DURABLE) as server:
        assert ask(server.url, "SELECT 1") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for the death signal")
def test_the_server_ends_with_its_supervisor() -> None:
    process, port, pid, folder = start_elsewhere()
    with process:
        status = Path(f"/proc/{pid}/status").read_text()
        supervisor = next(line for line in status.splitlines() if line.startswith("PPid:"))
        os.kill(int(supervisor.split()[1]), signal.SIGKILL)
        assert eventually(lambda: refuses(port))
        process.kill()
    shutil.rmtree(folder)  # whose remover was killed


def test_the_servers_environment_holds_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2@h/db")
    with EmbeddedPostgres(settings=NOT_DURABLE) as server:
        if sys.platform == "linux":
            assert b"hunter2" not in Path(f"/proc/{server.pid}/environ").read_bytes()

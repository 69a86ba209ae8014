"""What the tests of the embedded server share."""

from __future__ import annotations

import contextlib
import socket
import stat
import time
from typing import TYPE_CHECKING, Final

import psycopg2

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOT_DURABLE: Final = {"fsync": "off"}


def ask(url: str, query: str) -> object:
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(query)
        return cursor.fetchone()[0] if cursor.description else None


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def eventually(condition: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def modes(path: Path) -> dict[Path, tuple[int, int]]:
    return {
        folder: (stat.S_IMODE(folder.stat().st_mode), folder.stat().st_uid)
        for folder in path.resolve().parents
    }

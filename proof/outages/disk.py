"""A disk that fills up: a small file system in memory, for the whole of a server's data."""

from __future__ import annotations

import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2

from exec_tracker import migrations
from exec_tracker.embedded import EmbeddedPostgres
from proof.outages.drill import drill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proof.outages.drill import Outage

# A cluster takes 40 MB, its log two segments of 16 MB and one to come.
_SIZE = "160m"
_SETTINGS = {
    "fsync": "off",
    "max_wal_size": "32MB",
    "min_wal_size": "32MB",
    "max_connections": "60",
}
_HELD_SECONDS = 1.5
_BALLAST = 1 << 20


class NoFileSystemError(Exception):
    """A file system of one's own cannot be mounted here."""


@contextmanager
def small_disk() -> Iterator[Path]:
    """Mount a small file system in memory; raises NoFileSystemError where that is not allowed."""
    place = Path(tempfile.mkdtemp(prefix="exec_tracker-small-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=0755", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 # fixed words and our own folder
    except FileNotFoundError as exc:
        place.rmdir()
        raise NoFileSystemError("there is no mount command") from exc
    if mounted.returncode:
        place.rmdir()
        raise NoFileSystemError(mounted.stderr.strip())
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S603, S607 # as above
        place.rmdir()


def disk_full(seed: int, times: int = 1) -> list[Outage]:
    """Fill the disk under load: first where tables grow, then where the log needs a segment."""
    with (
        small_disk() as disk,
        EmbeddedPostgres(settings=_SETTINGS, temporary_parent=disk) as server,
    ):
        tables, log = (server.create_database(name) for name in ("tables", "log"))
        for url in (tables, log):
            migrations.upgrade(url)
        grow = partial(_fill, server, disk)
        switch = partial(_fill, server, disk, log_url=log)
        return [
            drill("no room on the disk for tables", tables, [grow] * times, seed),
            drill("no room on the disk for the log", log, [switch] * times, seed),
        ]


def _fill(server: EmbeddedPostgres, disk: Path, log_url: str | None = None) -> float:
    ballast = disk / "ballast"
    with ballast.open("wb") as file, suppress(OSError):
        while True:
            file.write(b"\0" * _BALLAST)
            file.flush()
    until = time.monotonic() + _HELD_SECONDS
    while time.monotonic() < until:
        if log_url:
            _switch_segment(log_url)
        time.sleep(0.05)
    ballast.unlink()
    return _bring_back(server)


def _switch_segment(url: str) -> None:
    """Have the server begin another segment of its log, which it will not find room for."""
    with suppress(psycopg2.Error):
        connection = psycopg2.connect(url)
        connection.autocommit = True
        try:
            connection.cursor().execute("SELECT pg_switch_wal()")
        finally:
            connection.close()


def _bring_back(server: EmbeddedPostgres) -> float:
    """Start a server that gave up, as its supervisor would; one that lives is left alone."""
    if not server.is_running:
        server.start()
    return time.monotonic()

"""A real pgbouncer in transaction mode, and what is left in the sessions that its clients share."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg2
import psycopg2.extras
from sqlalchemy.engine import make_url

from exec_tracker.embedded.account import account_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL

    from tests.support.database import Database

SERVER_CONNECTIONS: Final = 3
"""Fewer than clients, so that these share; more than one, so that they are moved about."""

_PATIENCE: Final = 15.0
_PREPARES_SINCE: Final = (1, 21)
"""From this version on pgbouncer can follow prepared statements, which is switched off here."""

# Round robin: the next transaction of a client is on another server connection than its last.
_CONFIGURATION: Final = """
[databases]
* = host={host} port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
logfile = {folder}/log
pool_mode = transaction
default_pool_size = {size}
server_round_robin = 1
max_client_conn = 300
"""

# pgbouncer itself keeps these as each client wants them.
_FOLLOWED: Final = (
    "application_name", "client_encoding", "DateStyle", "standard_conforming_strings", "TimeZone",
)  # fmt: skip
_LOOK: Final = """
SELECT pg_backend_pid() AS pid,
       (SELECT coalesce(json_object_agg(name, setting), '{}') FROM pg_settings
         WHERE source = 'session' AND name <> ALL (%s)) AS settings,
       (SELECT json_object_agg(name, setting) FROM pg_settings
         WHERE name IN ('lock_timeout', 'synchronous_commit', 'default_transaction_isolation',
                        'search_path', 'jit')) AS named,
       (SELECT count(*) FROM pg_locks
         WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS advisory_locks,
       (SELECT count(*) FROM pg_prepared_statements) AS prepared_statements,
       (SELECT count(*) FROM pg_listening_channels()) AS channels,
       pg_my_temp_schema()::integer AS temporary_schema
"""


def program() -> str | None:
    """Return the pooler's program, or None; Debian puts it where only root's PATH leads."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextlib.contextmanager
def pgbouncer(server_url: str) -> Iterator[str]:
    """Yield the URL of the same database through a pooler that lives as long as the block."""
    folder = Path(tempfile.mkdtemp(prefix="exec_tracker-pgbouncer-")).resolve()
    try:
        port = _free_port()
        _configure(folder, make_url(server_url), port)
        with _started(folder, port):
            pooled = make_url(server_url).set(host="127.0.0.1", port=port)
            yield pooled.render_as_string(hide_password=False)
    finally:
        shutil.rmtree(folder)


def _configure(folder: Path, server: URL, port: int) -> None:
    text = _CONFIGURATION.format(
        host=server.host, server_port=server.port, port=port, folder=folder, size=SERVER_CONNECTIONS
    )
    if _version() >= _PREPARES_SINCE:
        text += "max_prepared_statements = 0\n"
    (folder / "configuration").write_text(text)
    (folder / "users").write_text(f'"{server.username}" "{server.password}"\n')
    account = account_for(folder)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o700)
        os.chown(path, account.uid, account.gid)


def _version() -> tuple[int, int]:
    said = subprocess.run([str(program()), "--version"], check=True, capture_output=True, text=True)
    found = re.search(r"(\d+)\.(\d+)", said.stdout)
    assert found, said.stdout
    return int(found[1]), int(found[2])


@contextlib.contextmanager
def _started(folder: Path, port: int) -> Iterator[None]:
    account = account_for(folder)  # a pooler refuses to run as root
    pooler = subprocess.Popen(
        [str(program()), "--quiet", str(folder / "configuration")],
        cwd=folder,
        stderr=subprocess.DEVNULL,
        user=None if account.is_current else account.uid,
        group=None if account.is_current else account.gid,
        extra_groups=None if account.is_current else [],
    )
    try:
        _wait_for(port, pooler, folder / "log")
        yield
    finally:
        pooler.terminate()
        pooler.wait()


def _wait_for(port: int, pooler: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        with contextlib.closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        alive = pooler.poll() is None and time.monotonic() < deadline
        assert alive, log.read_text() if log.exists() else "pgbouncer did not start"
        time.sleep(0.02)


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_sessions(pooled_url: str) -> list[dict[str, Any]]:
    """Look into every server connection at once: each is held by a transaction meanwhile."""
    with contextlib.ExitStack() as held:
        return [_look(held, pooled_url) for _ in range(SERVER_CONNECTIONS)]


def _look(held: contextlib.ExitStack, pooled_url: str) -> dict[str, Any]:
    connection = held.enter_context(contextlib.closing(psycopg2.connect(pooled_url)))
    # A client that leaves amid its transaction would cost the pooler the server connection.
    held.callback(connection.rollback)
    cursor = connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor)
    cursor.execute(_LOOK, [list(_FOLLOWED)])
    (row,) = cursor.fetchall()
    return dict(row)


def leftovers(database: Database, pooled_url: str) -> list[dict[str, Any]]:
    """Return what the server connections hold that a new session of this database would not."""
    new = database.all(_LOOK, list(_FOLLOWED))[0]
    found = []
    for session in server_sessions(pooled_url):
        found.append({what: session[what] for what in new if session[what] != new[what]})
        del found[-1]["pid"]
    return [one for one in found if one]


def backends(database: Database) -> set[int]:
    """Return all sessions of the database but the one that looks."""
    query = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    return {row["pid"] for row in database.all(query)}

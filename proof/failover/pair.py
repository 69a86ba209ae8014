"""Two servers of one's own, the second a streaming copy of the first."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
from sqlalchemy.engine import make_url

from exec_tracker import migrations
from exec_tracker.embedded import EmbeddedPostgres
from proof.ledger import eventually
from proof.wire.line import Strike
from proof.wire.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASE = "proof"
_SETTINGS = {"fsync": "off", "max_connections": "60"}
_HOST = "127.0.0.1"
_FOLLOWING = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
_SYNCHRONOUS = "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')"
# Longer than any run: what is held up comes never.
_FOR_GOOD = Strike("hole", 600.0)


class Pair:
    """A primary and a standby that follows it through a proxy; made by `pair`."""

    def __init__(self, folder: Path, proxy: Proxy, primary: EmbeddedPostgres) -> None:
        """Know the primary; the standby begins with `follow`."""
        self._folder, self._proxy, self.primary = folder, proxy, primary
        self.standby: EmbeddedPostgres | None = None

    @property
    def url(self) -> str:
        """Both servers, as SQLAlchemy writes several hosts; connects to the one that writes."""
        query = {"host": [f"{_HOST}:{port}" for port in self._ports]}
        return self._address(query)

    @property
    def libpq_url(self) -> str:
        """The same in the one spelling that libpq and SQLAlchemy share."""
        ports = ",".join(str(port) for port in self._ports)
        return self._address({"host": ",".join([_HOST] * 2), "port": ports})

    @property
    def _ports(self) -> list[int]:
        assert self.standby is not None
        return [self.primary.port, self.standby.port]

    def _address(self, query: dict[str, Any]) -> str:
        url = make_url(self.primary.url).set(host=None, port=None, database=DATABASE)
        url = url.set(query={**query, "target_session_attrs": "read-write"})
        return url.render_as_string(hide_password=False)

    def follow(self, *, synchronous: bool) -> None:
        """Copy the primary while it stands still, and have the copy follow it."""
        self.primary.stop()
        copy = self._folder / "standby"
        subprocess.run(["cp", "-a", str(self.primary.data_directory), str(copy)], check=True)  # noqa: S603, S607 # keeps owners
        (copy / "server.log").unlink(missing_ok=True)
        self.primary.start()
        self._write_recovery(copy / "cluster")
        self.standby = EmbeddedPostgres(copy, settings=_SETTINGS).start()
        eventually(lambda: _value(self.primary.url, _FOLLOWING), "the standby follows")
        if synchronous:
            _value(self.primary.url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
            _value(self.primary.url, "SELECT pg_reload_conf()")
            eventually(lambda: _value(self.primary.url, _SYNCHRONOUS), "it is synchronous")

    def _write_recovery(self, cluster: Path) -> None:
        password = make_url(self.primary.url).password
        source = f"host={_HOST} port={self._proxy.port} user=postgres password={password}"
        with (cluster / "postgresql.auto.conf").open("a") as configuration:
            configuration.write(f"primary_conninfo = '{source}'\n")
        (cluster / "standby.signal").touch()

    def hold_up_replication(self) -> None:
        """Let nothing reach the standby any more, without either side noticing."""
        self._proxy.judge = lambda _message: _FOR_GOOD

    def fail_over(self) -> None:
        """Kill the primary, and have the standby take its place."""
        assert self.standby is not None
        self.primary.kill()
        assert _value(self.standby.url, "SELECT pg_promote(true, 60)")


@contextmanager
def pair(*, synchronous: bool) -> Iterator[Pair]:
    """Start both, with a migrated database; both are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="exec_tracker-pair-"))
    folder.chmod(0o711)  # the servers' account passes through
    primary = EmbeddedPostgres(folder / "primary", settings=_SETTINGS)
    servers = [primary]
    try:
        migrations.upgrade(primary.start().create_database(DATABASE))
        with Proxy(primary.url) as proxy:
            made = Pair(folder, proxy, primary)
            made.follow(synchronous=synchronous)
            servers += [made.standby] if made.standby else []
            yield made
    finally:
        for server in servers:
            server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


def _value(url: str, sql: str) -> Any:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0] if cursor.description else None

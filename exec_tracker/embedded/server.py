"""Starting, stopping and crashing one private server."""

from __future__ import annotations

import os
import signal
import socket
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, Self

from sqlalchemy import URL, create_engine
from sqlalchemy.pool import NullPool

from exec_tracker.embedded import administration
from exec_tracker.embedded.binaries import find_binaries, readable_binaries
from exec_tracker.embedded.cluster import DataDirectory
from exec_tracker.embedded.process import ServerProcess
from exec_tracker.errors import ConfigurationError, StorageError
from exec_tracker.settings import normalise_url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

StopMode = Literal["fast", "immediate"]
"""`fast` disconnects clients and flushes; `immediate` leaves recovery to the next start."""

_SIGNALS: Final = MappingProxyType({"fast": signal.SIGINT, "immediate": signal.SIGQUIT})
_NO_SETTINGS: Final[Mapping[str, str]] = MappingProxyType({})
_HOST: Final = "127.0.0.1"
_PORT_ATTEMPTS: Final = 5
"""Somebody may take a free port between our look and the server's bind, but not every time."""
_START_TIMEOUT: Final = 60.0
_POLL: Final = 0.005


class EmbeddedPostgres:
    """A PostgreSQL server of one's own, which ends with the process that started it.

    A context manager; `start` and `stop` may be called instead, and again. Clients connect over
    TCP on the loopback interface, with a random password. The port stays the same over restarts.
    Without a data directory the data live in a temporary folder, under `temporary_parent` or where
    the system keeps such, deleted at `stop` or when this process has died. `settings` are the
    server's own (`{"fsync": "off"}`).

    One object belongs to one process: in a forked child, `stop` does nothing.
    """

    def __init__(
        self,
        data_directory: Path | None = None,
        *,
        settings: Mapping[str, str] = _NO_SETTINGS,
        binaries: Path | None = None,
        temporary_parent: Path | None = None,
    ) -> None:
        if os.name != "posix":
            raise ConfigurationError(
                "the embedded PostgreSQL runs on Linux and macOS: give a database URL instead"
            )
        self._directory = DataDirectory(data_directory, temporary_parent)
        self._settings = dict(settings)
        self._binaries = binaries
        self._port: int | None = None
        self._process: ServerProcess | None = None

    def __repr__(self) -> str:
        state = f"port={self._port}" if self.is_running else "stopped"
        return f"EmbeddedPostgres({str(self._directory.path)!r}, {state})"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether the server was started here and has not ended."""
        return self._process is not None and self._process.is_running

    @property
    def data_directory(self) -> Path:
        """The folder that holds the cluster, the log and the password."""
        return self._directory.path

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self._directory.log

    @property
    def pid(self) -> int:
        """The process id of the server's main process."""
        if self._process is None:
            raise _not_started()
        return self._process.pid

    @property
    def port(self) -> int:
        """The port on the loopback interface, known from the first start on."""
        if self._port is None:
            raise _not_started()
        return self._port

    @property
    def url(self) -> str:
        """The URL of the database `postgres`, password included."""
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        """Return the URL of a database of this server, password included."""
        url = URL.create(
            "postgresql",
            username="postgres",
            password=self._directory.password,
            host=_HOST,
            port=self.port,
            database=name,
        )
        return url.render_as_string(hide_password=False)

    def start(self) -> Self:
        """Start the server and wait until it accepts connections; nothing if it runs already.

        Raises:
            ConfigurationError: no binaries, or the data directory cannot be used or is in use.
            StorageError: the server did not start; the end of its log is in the message.
        """
        if self.is_running:
            return self
        if self._process is not None and self._process.is_ours:
            self._process.abandon()  # it ended by itself
        lock = self._directory.lock()
        try:
            binaries = readable_binaries(self._binaries or find_binaries(), self._directory.account)
            durable = self._settings.get("fsync") != "off"
            self._directory.initialise(binaries / "initdb", durable=durable)
            self._start_on_a_free_port(binaries / "postgres", lock)
        except BaseException:
            self.stop()
            raise
        finally:
            os.close(lock)
        return self

    def _start_on_a_free_port(self, postgres: Path, lock: int) -> None:
        log_start = self.log.stat().st_size if self.log.exists() else 0
        for _ in range(1 if self._port else _PORT_ATTEMPTS):
            port = self._port or _free_port()
            settings = self._settings | _network_settings(port)
            process = ServerProcess(self._directory, postgres, settings, lock)
            if self._becomes_ready(process):
                self._port, self._process = port, process
                return
            process.abandon()
            if not _is_taken(port):
                break
        tail = self._directory.log_tail(log_start)
        raise StorageError(f"PostgreSQL did not start; its log ends:\n{tail}")

    def _becomes_ready(self, process: ServerProcess) -> bool:
        deadline = time.monotonic() + _START_TIMEOUT
        while process.is_running and time.monotonic() < deadline:
            if self._directory.is_ready(process.pid):
                return True
            time.sleep(_POLL)
        return False

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server, wait for its end, and delete a temporary data directory.

        Does nothing in a forked child of the process that started the server.
        """
        if self._process is not None and not self._process.is_ours:
            return
        self._end(_SIGNALS[mode])
        if self._directory.is_temporary:
            self._directory.remove()

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop the server and start it again, on the same data and port."""
        self._end(_SIGNALS[mode])
        self.start()

    def kill(self) -> None:
        """Crash the server: every one of its processes is killed at once, nothing is flushed.

        The data stay, also temporary ones; `start` recovers them.
        """
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end(number)

    def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database, as a copy of the template if given, and return its URL."""
        url = normalise_url(self.url)
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            administration.create_database(connection, name, template)
        return self.database_url(name)


def _network_settings(port: int) -> dict[str, str]:
    return {"listen_addresses": _HOST, "port": str(port), "unix_socket_directories": ""}


def _not_started() -> ConfigurationError:
    return ConfigurationError("the embedded PostgreSQL is not started: call start() first")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((_HOST, port)) == 0

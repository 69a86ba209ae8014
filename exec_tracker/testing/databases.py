"""Which PostgreSQL server the tests run on: a URL, a container, or the embedded server."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast

from sqlalchemy.engine import make_url

from exec_tracker.embedded import EmbeddedPostgres
from exec_tracker.errors import ConfigurationError
from exec_tracker.settings import normalise_url
from exec_tracker.testing.containers import (
    ContainerUnavailableError,
    engine_problem,
    postgres_container,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Choice", "Server", "choose", "embedded_server", "provision"]

URL_VARIABLE: Final = "EXEC_TRACKER_TEST_DATABASE_URL"
"""A server of one's own; its account must be allowed to create databases."""

SERVER_VARIABLE: Final = "EXEC_TRACKER_TEST_SERVER"
"""`testcontainers` or `embedded` insists on one kind; nothing else is tried then."""

FSYNC_VARIABLE: Final = "EXEC_TRACKER_TEST_FSYNC"
"""`on` makes the server durable, for tests of what survives a crash of the machine."""

_MEMORY_NEEDED: Final = 2 * 2**30
"""Free bytes; a container's 64 MB are too few, and a hundred databases take less than half."""

Kind = Literal["url", "testcontainers", "embedded"]
_KINDS: Final = ("testcontainers", "embedded")


@dataclass(frozen=True, slots=True)
class Choice:
    """The kind of server that will be tried first, and why."""

    kind: Kind
    reason: str
    insists: bool = False

    def __str__(self) -> str:
        return f"{self.kind} ({self.reason})"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its maintenance database's URL (without a driver), and what it is."""

    url: str
    description: str

    def database_url(self, name: str) -> str:
        """Return the URL of another database of this server."""
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)


def choose() -> Choice:
    """Decide which kind of server to try first, in well under a second and starting nothing.

    Raises:
        ConfigurationError: a variable asks for a kind that does not exist.
    """
    if os.environ.get(URL_VARIABLE):
        return Choice("url", URL_VARIABLE, insists=True)
    wanted = os.environ.get(SERVER_VARIABLE, "")
    if wanted:
        if wanted not in _KINDS:
            raise ConfigurationError(f"{SERVER_VARIABLE} is {' or '.join(_KINDS)}, not {wanted!r}")
        return Choice(cast("Kind", wanted), SERVER_VARIABLE, insists=True)
    problem = engine_problem()
    if problem:
        return Choice("embedded", problem)
    return Choice("testcontainers", "a Docker engine answers")


@contextmanager
def provision(choice: Choice | None = None) -> Iterator[Server]:
    """Yield a running server, and stop what was started for it afterwards.

    Where a container was not insisted on and cannot be had, the embedded server stands in, and
    the description says why.

    Raises:
        ConfigurationError: the server that was insisted on cannot be had.
    """
    choice = choice or choose()
    if choice.kind == "url":
        yield Server(_without_driver(os.environ[URL_VARIABLE]), str(choice))
    elif choice.kind == "embedded":
        yield from _embedded(str(choice))
    else:
        yield from _container(choice)


def _container(choice: Choice) -> Iterator[Server]:
    try:
        container = postgres_container(_settings(durable=_durable()))
    except ContainerUnavailableError as problem:
        if choice.insists:
            raise ConfigurationError(f"{choice}: {problem}") from problem
        yield from _embedded(f"embedded (no container: {problem})")
        return
    try:
        yield Server(container.url, f"testcontainers ({container.image})")
    finally:
        container.stop()


def _embedded(description: str) -> Iterator[Server]:
    with embedded_server(durable=_durable()) as server:
        yield Server(server.url, description)


def embedded_server(*, durable: bool) -> EmbeddedPostgres:
    """Return an embedded server for tests, not started; in memory if it need not be durable."""
    parent = None if durable else _memory_folder()
    return EmbeddedPostgres(settings=_settings(durable=durable), temporary_parent=parent)


def _memory_folder() -> Path | None:
    """Return a folder in memory, where a database takes 8 ms instead of 25 to 80 on disks."""
    folder = Path("/dev/shm")  # noqa: S108 - the server's own folder in it has a random name
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).free < _MEMORY_NEEDED:
        return None
    return folder


def _without_driver(url: str) -> str:
    """Return a URL that every driver's own `connect` understands as well."""
    plain = normalise_url(url).set(drivername="postgresql")
    return plain.render_as_string(hide_password=False)


def _durable() -> bool:
    return os.environ.get(FSYNC_VARIABLE, "off").lower() in {"on", "1", "true", "yes"}


def _settings(*, durable: bool) -> Mapping[str, str]:
    """Return what leaves room for many connections and, if not durable, is fast."""
    room = {"max_connections": "200"}
    if durable:
        return room
    # The log is kept short because it may lie in memory.
    return room | {"fsync": "off", "full_page_writes": "off", "max_wal_size": "128MB"}

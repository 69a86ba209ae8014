"""A server that is stopped, crashed, or has no connections left."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Literal

import psycopg2

from proof.outages.drill import drill

if TYPE_CHECKING:
    from exec_tracker.embedded import EmbeddedPostgres
    from proof.outages.drill import Outage, Strike

Restart = Literal["fast", "immediate", "kill"]
RESTARTS: dict[Restart, str] = {
    "fast": "restarted, fast",
    "immediate": "restarted, immediate",
    "kill": "every process killed, recovered",
}
_HELD_SECONDS = 1.0
_TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> ALL (%s) AND backend_type = 'client backend'
"""


def restarts(server: EmbeddedPostgres, url: str, how: Restart, seed: int, times: int = 1) -> Outage:
    """Restart the server under load, this many times."""
    return drill(RESTARTS[how], url, [partial(restart, server, how)] * times, seed)


def restart(server: EmbeddedPostgres, how: Restart) -> float:
    """Restart or crash the server; return when it was there again, on the monotonic clock."""
    if how == "kill":
        server.kill()
        server.start()
    else:
        server.restart(how)
    return time.monotonic()


def no_connections_left(url: str, seed: int, times: int = 1) -> Outage:
    """Take every connection that the server has, those of the callers too, and hold them."""
    strikes: list[Strike] = [partial(_occupy, url)] * times
    return drill("no connection left", url, strikes, seed)


def _occupy(url: str) -> float:
    """Take places as they become free, and send away whoever had one before."""
    with ExitStack() as held:
        taken = [held.enter_context(closing(psycopg2.connect(url)))]
        taken[0].autocommit = True
        until = time.monotonic() + _HELD_SECONDS
        while time.monotonic() < until:
            mine = [one.get_backend_pid() for one in taken]
            with taken[0].cursor() as cursor:
                cursor.execute(_TERMINATE, (mine,))
            with suppress(psycopg2.OperationalError):  # there is no place left
                while True:
                    taken.append(held.enter_context(closing(psycopg2.connect(url))))
    return time.monotonic()

"""A server that goes away, fills up or has no room, under every driver's load: all of it recovers.

The bounded slice of `proof/outages`. Every key is judged at the end: no effect twice, no answer
lost, none unresolved; every caller has an answer once the server is back; no connection is kept.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from exec_tracker import migrations
from exec_tracker.embedded import EmbeddedPostgres
from proof.outages.disk import NoFileSystemError, disk_full, small_disk
from proof.outages.restarts import RESTARTS, no_connections_left, restarts
from proof.outages.timeouts import LOG_SETTINGS, STRUCK, struck, timeouts
from proof.seeds import chosen_seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proof.outages.restarts import Restart

pytestmark = pytest.mark.slow

SETTINGS = {"fsync": "off", "max_connections": "40", **LOG_SETTINGS}


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(settings=SETTINGS) as server:
        migrations.upgrade(server.create_database("migrated"))
        yield server


@pytest.fixture
def url(server: EmbeddedPostgres) -> str:
    return server.create_database(f"outage_{uuid4().hex}", "migrated")


@pytest.mark.parametrize("how", RESTARTS)
def test_a_server_that_restarts_under_load_loses_and_repeats_nothing(
    server: EmbeddedPostgres, url: str, how: Restart
) -> None:
    outage = restarts(server, url, how, chosen_seed())
    assert outage.problems == []
    assert outage.audit.executions == outage.audit.effects == outage.audit.keys > 0


def test_callers_who_find_no_connection_left_lose_and_repeat_nothing(url: str) -> None:
    outage = no_connections_left(url, chosen_seed())
    assert outage.problems == []
    assert outage.audit.executions == outage.audit.effects == outage.audit.keys > 0


def test_time_outs_and_deadlocks_under_load_lose_and_repeat_nothing(
    server: EmbeddedPostgres, url: str
) -> None:
    outage = timeouts(url, chosen_seed(), until=lambda: all(struck(server, url).values()))
    assert outage.problems == []
    assert set(struck(server, url)) == set(STRUCK.values())


def test_a_disk_that_fills_up_under_load_loses_and_repeats_nothing() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root on Linux only")
    try:
        with small_disk():
            pass
    except NoFileSystemError as problem:
        pytest.skip(f"no file system can be mounted here: {problem}")
    for outage in disk_full(chosen_seed()):
        assert outage.problems == []
        assert outage.audit.executions == outage.audit.effects == outage.audit.keys > 0

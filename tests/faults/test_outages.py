"""A server that goes away, fills up or has no room, under every driver's load: all of it recovers.

The bounded slice of `proof/outages`. Every key is judged at the end: no effect twice, no answer
lost, none unresolved; every caller has an answer once the server is back; no connection is kept.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy.engine import make_url

from exec_tracker import migrations
from exec_tracker.embedded import EmbeddedPostgres
from proof.ledger import Ledger
from proof.outages.disk import NoFileSystemError, disk_full, small_disk
from proof.outages.restarts import RESTARTS, no_connections_left, restarts
from proof.outages.timeouts import LOG_SETTINGS, STRUCK, struck, timeouts
from proof.seeds import chosen_seed
from tests.support.database import Database, eventually
from tests.support.executors import Held
from tests.support.subjects import open_subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proof.outages.restarts import Restart
    from tests.support.fixtures import Background

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


def test_a_result_is_saved_once_a_server_that_became_read_only_is_writable_again(
    server: EmbeddedPostgres, url: str, driver: str, background: Background
) -> None:
    database, ledger = Database(url), Ledger(url)
    held = Held("paid")
    refused = re.compile(rf"^<25006 {make_url(url).database}>", re.MULTILINE)
    with open_subject(driver, url) as subject:
        first = background(subject.execute, ledger.options("k"), held)
        held.wait_until_begun()
        database.run("ALTER SYSTEM SET default_transaction_read_only = on")
        database.run("SELECT pg_reload_conf()")
        eventually(lambda: database.value("SHOW default_transaction_read_only") == "on")
        held.release()
        try:
            eventually(lambda: len(refused.findall(server.log.read_text())) > 1)
            assert not first.done()
        finally:
            database.run("ALTER SYSTEM RESET default_transaction_read_only")
            database.run("SELECT pg_reload_conf()")
        assert (first.result().data, held.count) == ("paid", 1)
    ledger.close()


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

"""The pytest plugin in a host's project: how the server is chosen, shared and cleaned up."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg2
import pytest

if TYPE_CHECKING:
    from exec_tracker.embedded import EmbeddedPostgres

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow  # each test runs pytest in a process of its own

TEST = """
import pytest

@pytest.mark.parametrize("_number", range(4))
def test_it(_number, database_url, user_id):
    assert user_id
"""


@pytest.fixture
def host(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("EXEC_TRACKER_TEST_SERVER", "embedded")
    monkeypatch.delenv("EXEC_TRACKER_TEST_DATABASE_URL", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini(
        "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function"
    )
    pytester.makeconftest('pytest_plugins = ["exec_tracker.testing"]')
    pytester.makepyfile(TEST)
    return pytester


def databases(url: str) -> set[str]:
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        return {name for (name,) in cursor.fetchall()}


def test_the_header_says_which_server_is_used_and_why(host: pytest.Pytester) -> None:
    result = host.runpytest_subprocess()
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        ["exec_tracker database: embedded (EXEC_TRACKER_TEST_SERVER)", "*4 passed*"]
    )


@pytest.mark.parametrize("arguments", [("-p", "no:xdist"), ("-n", "2")])
def test_it_works_with_and_without_xdist(host: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    host.runpytest_subprocess(*arguments).assert_outcomes(passed=4)


def test_a_server_of_ones_own_is_used_and_left_as_it_was(
    host: pytest.Pytester, crashable_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = databases(crashable_postgres.url)
    monkeypatch.setenv("EXEC_TRACKER_TEST_DATABASE_URL", crashable_postgres.url)
    result = host.runpytest_subprocess("-n", "2")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["exec_tracker database: url (EXEC_TRACKER_TEST_DATABASE_URL)"])
    assert databases(crashable_postgres.url) == before


def test_insisting_on_a_container_fails_where_there_is_no_engine(
    host: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXEC_TRACKER_TEST_SERVER", "testcontainers")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    result = host.runpytest_subprocess()
    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(
        ["*ConfigurationError: testcontainers *: no Docker engine answers*"]
    )


def test_without_an_engine_the_embedded_server_stands_in(
    host: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EXEC_TRACKER_TEST_SERVER")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    result = host.runpytest_subprocess()
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["exec_tracker database: embedded (no Docker engine answers)"])


def test_a_kind_of_server_that_does_not_exist_is_refused_by_name(
    host: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXEC_TRACKER_TEST_SERVER", "oracle")
    result = host.runpytest_subprocess()
    assert result.ret != 0
    assert "testcontainers or embedded, not 'oracle'" in result.stderr.str() + result.stdout.str()


def test_no_server_is_started_for_tests_that_ask_for_none(host: pytest.Pytester) -> None:
    host.makepyfile("def test_it(): pass")
    result = host.runpytest_subprocess("--setup-show")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*postgres_server*")

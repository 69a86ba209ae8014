"""The embedded server: private, restartable, durable, and particular about its folder."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from exec_tracker.embedded import EmbeddedPostgres
from exec_tracker.errors import ConfigurationError, StorageError
from tests.integration.embedded_support import NOT_DURABLE, ask, eventually, modes, refuses

if TYPE_CHECKING:
    from pathlib import Path


def test_a_server_starts_and_leaves_nothing_behind() -> None:
    with EmbeddedPostgres(settings=NOT_DURABLE) as server:
        assert make_url(server.url).database == "postgres"
        assert ask(server.url, "SELECT 1") == 1
        folder, port = server.data_directory, server.port
    assert refuses(port)
    assert not folder.exists()


def test_the_cluster_is_utf8_in_the_c_locale_and_listens_on_loopback_only() -> None:
    with EmbeddedPostgres(settings=NOT_DURABLE) as server:
        assert ask(server.url, "SHOW server_encoding") == "UTF8"
        assert ask(server.url, "SELECT datcollate FROM pg_database LIMIT 1") == "C"
        assert ask(server.url, "SHOW listen_addresses") == "127.0.0.1"
        assert ask(server.url, "SHOW unix_socket_directories") == ""


def test_settings_reach_the_server() -> None:
    with EmbeddedPostgres(settings={"fsync": "off", "max_connections": "17"}) as server:
        assert ask(server.url, "SHOW max_connections") == "17"


def test_the_data_survive_a_restart_on_the_same_directory(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder / "data") as first:
        ask(first.url, "CREATE TABLE kept AS SELECT 42 AS value")
        password = make_url(first.url).password
    with EmbeddedPostgres(open_folder / "data") as second:
        assert ask(second.url, "SELECT value FROM kept") == 42
        assert make_url(second.url).password == password


def test_restart_keeps_the_url(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder / "data", settings=NOT_DURABLE) as server:
        url = server.url
        server.restart("immediate")
        assert server.url == url
        assert ask(url, "SELECT 1") == 1


def test_a_killed_server_recovers_what_was_committed() -> None:
    with EmbeddedPostgres() as server:
        ask(server.url, "CREATE TABLE kept AS SELECT 42 AS value")
        server.kill()
        assert not server.is_running
        assert refuses(server.port)
        server.start()
        assert ask(server.url, "SELECT value FROM kept") == 42


def test_a_server_that_ended_by_itself_is_started_again(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder, settings=NOT_DURABLE) as server:
        os.kill(server.pid, signal.SIGINT)
        eventually(lambda: not server.is_running)
        server.start()
        assert ask(server.url, "SELECT 1") == 1


def test_a_pid_file_whose_number_belongs_to_another_process_does_not_stop_the_start(
    open_folder: Path,
) -> None:
    server = EmbeddedPostgres(open_folder / "data", settings=NOT_DURABLE).start()
    server.kill()
    account = (open_folder / "data" / "cluster").stat()
    drop: dict[str, Any] = {}
    if os.geteuid() == 0:
        drop = {"user": account.st_uid, "group": account.st_gid}
    with subprocess.Popen(["sleep", "60"], **drop) as bystander:
        try:
            pid_file = open_folder / "data" / "cluster" / "postmaster.pid"
            lines = pid_file.read_text().splitlines(keepends=True)
            pid_file.write_text("".join([f"{bystander.pid}\n", *lines[1:]]))
            with server:
                assert ask(server.url, "SELECT 1") == 1
        finally:
            bystander.kill()


def test_a_second_server_on_a_directory_in_use_is_a_clear_error(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder / "data", settings=NOT_DURABLE) as server:
        with pytest.raises(ConfigurationError, match=rf"in use by .* process {os.getpid()}"):
            EmbeddedPostgres(open_folder / "data").start()
        assert ask(server.url, "SELECT 1") == 1


def test_a_folder_with_something_else_in_it_is_refused(open_folder: Path) -> None:
    (open_folder / "thesis.txt").write_text("precious")
    with pytest.raises(ConfigurationError, match="not empty"):
        EmbeddedPostgres(open_folder).start()
    assert [path.name for path in open_folder.iterdir()] == ["thesis.txt"]


def test_a_start_that_fails_shows_the_end_of_the_log() -> None:
    with pytest.raises(StorageError, match="no_such_setting"):
        EmbeddedPostgres(settings={"no_such_setting": "1"}).start()


@pytest.mark.parametrize("password", ["", "guessed"])
def test_nobody_gets_in_without_the_password(password: str) -> None:
    with EmbeddedPostgres(settings=NOT_DURABLE) as server:
        stranger = make_url(server.url).set(password=password)
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(stranger.render_as_string(hide_password=False))
        rules = (server.data_directory / "cluster" / "pg_hba.conf").read_text()
        assert "trust" not in [
            word for line in rules.splitlines() if line[:1] != "#" for word in line.split()
        ]


def test_the_password_is_readable_by_its_owner_alone(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder / "data", settings=NOT_DURABLE):
        status = (open_folder / "data" / "password").stat()
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert status.st_uid == os.geteuid()


def test_folders_above_the_data_directory_are_left_alone(open_folder: Path) -> None:
    before = modes(open_folder / "data")
    with EmbeddedPostgres(open_folder / "data", settings=NOT_DURABLE):
        assert modes(open_folder / "data") == before
    assert modes(open_folder / "data") == before


def test_a_database_is_created_as_a_copy_of_another() -> None:
    with EmbeddedPostgres(settings=NOT_DURABLE) as server:
        original = server.create_database('odd "name"')
        ask(original, "CREATE TABLE copied AS SELECT 7 AS value")
        assert ask(server.create_database("copy", template='odd "name"'), "TABLE copied") == 7

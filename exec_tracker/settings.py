"""Where the database is: two environment variables, and URLs made fit for an installed driver."""

from __future__ import annotations

import importlib.util
import os
from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from exec_tracker.errors import ConfigurationError

__all__ = ["URL_VARIABLES", "database_url", "normalise_url", "require_database_url"]

URL_VARIABLES: Final = ("EXEC_TRACKER_DATABASE_URL", "DATABASE_URL")
"""Read in this order, at call time: ours first, then the one most hosts already have."""

_SYNC_DRIVERS: Final = ("psycopg2", "psycopg")
_ASYNC_DRIVERS: Final = ("asyncpg", "psycopg")
_ONLY_SYNC: Final = frozenset({"psycopg2", "pg8000"})
_ONLY_ASYNC: Final = frozenset({"asyncpg", "psycopg_async"})
_IMPORT_NAMES: Final = {"psycopg_async": "psycopg"}
_EXTRAS: Final = {"psycopg": "psycopg", "psycopg_async": "psycopg", "asyncpg": "asyncpg"}
_EXAMPLE: Final = "postgresql://user:password@host:5432/database"


def database_url(*, asynchronous: bool = False) -> URL | None:
    """Return the URL the environment names, fit for an installed driver, or None.

    A variable that is empty counts as not set. One variable often serves a synchronous and an
    asynchronous program, so a driver of the wrong kind is replaced here, where `normalise_url`
    would refuse it.

    Raises:
        ConfigurationError: the variable's value cannot be used; the message names the variable.
    """
    for variable in URL_VARIABLES:
        value = os.environ.get(variable, "").strip()
        if value:
            try:
                url = _without_unfit_driver(_parse(value), asynchronous=asynchronous)
                return normalise_url(url, asynchronous=asynchronous)
            except ConfigurationError as error:
                raise ConfigurationError(f"{variable}: {error}") from None
    return None


def require_database_url(*, asynchronous: bool = False) -> URL:
    """Return the URL the environment names.

    Raises:
        ConfigurationError: no variable is set, or its value cannot be used.
    """
    url = database_url(asynchronous=asynchronous)
    if url is None:
        names = " or ".join(URL_VARIABLES)
        raise ConfigurationError(f"no database is configured: set {names}, as in {_EXAMPLE}")
    return url


def normalise_url(url: str | URL, *, asynchronous: bool = False) -> URL:
    """Return the URL with the driver spelled out, and that driver is installed.

    `postgres://` and `postgresql://` get the first installed driver; an explicit driver is kept.
    Nothing is connected to, and the password is never part of a message.

    Raises:
        ConfigurationError: not a URL, not PostgreSQL, or no fitting driver is installed.
    """
    parsed = _parse(url)
    driver = parsed.drivername.partition("+")[2]
    if driver:
        _check_driver(driver, asynchronous=asynchronous)
    else:
        driver = _first_installed(asynchronous=asynchronous)
    fitted = parsed.set(drivername=f"postgresql+{driver}")
    _check_dialect(fitted)
    return _with_asyncpg_spelling(fitted) if driver == "asyncpg" else fitted


def _parse(url: str | URL) -> URL:
    if not isinstance(url, str | URL):
        raise ConfigurationError(
            f"the database must be a URL, an Engine or a sessionmaker, not {type(url).__name__}: "
            f"write the URL as {_EXAMPLE}"
        )
    if isinstance(url, str):
        url = url.strip()  # read from a file, it often ends in a line break
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The parser's own message may quote the piece it choked on, password included.
        raise ConfigurationError(
            f"the database URL cannot be parsed: write it as {_EXAMPLE}, and percent-encode "
            "special characters in the password"
        ) from None
    backend = parsed.drivername.partition("+")[0]
    if backend not in {"postgres", "postgresql"}:
        raise ConfigurationError(
            f"exec_tracker works on PostgreSQL only, and this URL is for {backend!r}: "
            f"write it as {_EXAMPLE}"
        )
    return parsed


def _without_unfit_driver(url: URL, *, asynchronous: bool) -> URL:
    unfit = _ONLY_SYNC if asynchronous else _ONLY_ASYNC
    if url.drivername.partition("+")[2] in unfit:
        return url.set(drivername="postgresql")
    return url


def _check_driver(driver: str, *, asynchronous: bool) -> None:
    if driver in (_ONLY_SYNC if asynchronous else _ONLY_ASYNC):
        kind = "asynchronous" if asynchronous else "synchronous"
        raise ConfigurationError(
            f"the driver {driver!r} is not {kind}: leave it out of the URL (postgresql://…) "
            f"and a fitting one is chosen"
        )
    if not _is_installed(driver):
        raise ConfigurationError(
            f"the driver {driver!r} is not installed: {_how_to_install(driver)}"
        )


def _first_installed(*, asynchronous: bool) -> str:
    candidates = _ASYNC_DRIVERS if asynchronous else _SYNC_DRIVERS
    for driver in candidates:
        if _is_installed(driver):
            return driver
    how = ", or ".join(_how_to_install(driver) for driver in candidates)
    kind = "asynchronous " if asynchronous else ""
    raise ConfigurationError(f"no {kind}PostgreSQL driver is installed: {how}")


def _is_installed(driver: str) -> bool:
    return importlib.util.find_spec(_IMPORT_NAMES.get(driver, driver)) is not None


def _how_to_install(driver: str) -> str:
    extra = _EXTRAS.get(driver)
    return f"pip install 'exec_tracker[{extra}]'" if extra else f"pip install {driver}"


def _check_dialect(url: URL) -> None:
    try:
        url.get_dialect()
    except NoSuchModuleError:
        raise ConfigurationError(
            f"SQLAlchemy knows no PostgreSQL driver {url.get_driver_name()!r}: leave it out of the "
            "URL (postgresql://…) and a fitting one is chosen"
        ) from None


def _with_asyncpg_spelling(url: URL) -> URL:
    """Rename libpq's `sslmode`, which hosted databases put in their URLs and asyncpg refuses."""
    if "sslmode" not in url.query:
        return url
    mode = url.query["sslmode"]
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})

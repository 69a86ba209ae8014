"""Learn whether the guarantees hold on a database of yours: its pooler, its host, its kind.

`run(url)` tries them one by one on the migrated schema, on rows and a user of its own that it
deletes again, and touches no other row:

    for verdict in conformance.run("postgresql://…"):
        print(verdict.outcome, verdict.promise, verdict.detail)

It needs no pytest. `exec-tracker conformance` prints the same.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError

from exec_tracker.connections import engine_options
from exec_tracker.errors import ConfigurationError
from exec_tracker.settings import normalise_url
from exec_tracker.testing.conformance.sessions import settings_now
from exec_tracker.testing.conformance.site import Site
from exec_tracker.testing.conformance.suite import CHECKS, CLEAN_UP, Check
from exec_tracker.testing.conformance.users import Guest
from exec_tracker.testing.conformance.verdicts import NotTriedError, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator
    from uuid import UUID

    from sqlalchemy.engine import URL

__all__ = ["CHECK_NAMES", "Outcome", "Verdict", "run"]

CHECK_NAMES: Final = tuple(check.name for check in CHECKS)
"""What `only` and `skip` may name."""

_PATIENCE: Final = timedelta(seconds=30)
_SPARE: Final = 4
"""Connections besides those that call at once: the host's own, and whoever looks from outside."""


def run(
    bind: Engine | URL | str,
    *,
    user_id: UUID | None = None,
    schema: str | None = None,
    connections: int = 8,
    patience: timedelta = _PATIENCE,
    only: Collection[str] = (),
    skip: Collection[str] = (),
) -> Generator[Verdict, Any, None]:
    """Try every check, one after the other, and yield its verdict as soon as it is known.

    Rows are made in the name of `user_id`; without one a user is made where that is ours to do, on
    a standalone database. `connections` callers act at once; the pool of an engine of yours needs
    room for them and a few more. `patience` bounds the wait for whatever must come. `only` and
    `skip` name checks. Closing the generator early cleans up as well.

    Raises:
        ConfigurationError: a check that does not exist; no user is known; fewer than two
            connections.
        SchemaError: the schema is not there, or does not fit.
        StorageError: the database cannot be used at all.
    """
    chosen = _chosen(only, skip)
    if connections < 2:  # noqa: PLR2004 # with fewer nothing happens at once
        raise ConfigurationError("conformance needs at least 2 connections")
    with _engine(bind, connections) as engine:
        guest = Guest(engine, schema, user_id)
        with (
            Site(engine, guest, schema, connections, patience) as site,
            _cleaned_up(site),
        ):
            for check in (*chosen, CLEAN_UP):
                yield _judge(check, site)


def _chosen(only: Collection[str], skip: Collection[str]) -> list[Check]:
    unknown = sorted({*only, *skip} - set(CHECK_NAMES))
    if unknown:
        raise ConfigurationError(
            f"there is no check {unknown[0]!r}; there are {', '.join(CHECK_NAMES)}"
        )
    wanted = set(only or CHECK_NAMES) - set(skip)
    return [check for check in CHECKS if check.name in wanted]


@contextmanager
def _engine(bind: Engine | URL | str, connections: int) -> Iterator[Engine]:
    if isinstance(bind, Engine):
        yield bind
        return
    url = normalise_url(bind)
    engine = create_engine(url, pool_size=connections + _SPARE, **engine_options(url))
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _cleaned_up(site: Site) -> Iterator[None]:
    site.settings_before = settings_now(site)
    site.prepare()
    try:
        yield
    finally:
        with suppress(SQLAlchemyError):  # the last verdict has told
            site.clean()


def _judge(check: Check, site: Site) -> Verdict:
    began = time.monotonic()
    try:
        detail, outcome = check.run(site), Outcome.OK
    except NotTriedError as why:
        detail, outcome = str(why), Outcome.NOT_TRIED
    except AssertionError as seen:
        detail, outcome = str(seen), Outcome.FAILED
    except Exception as error:  # noqa: BLE001 # whatever comes up here does not hold here
        detail, outcome = f"{type(error).__name__}: {error}", Outcome.FAILED
    return Verdict(
        check=check.name,
        promise=check.promise,
        outcome=outcome,
        detail=" ".join(detail.split()),
        seconds=round(time.monotonic() - began, 3),
    )

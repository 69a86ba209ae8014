"""Fixtures of our own tests: the tracker over every driver, plain SQL, work in the background."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.support.database import Database
from tests.support.executors import Held
from tests.support.subjects import DRIVERS, open_subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.subjects import Subject


class NewSubject(Protocol):
    """Makes trackers on one database, closed at the end of the test."""

    def __call__(self, url: str | None = None, **settings: Any) -> Subject: ...


class Background(Protocol):
    """Starts a call in a thread."""

    def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]: ...


class Running(Protocol):
    """Starts an execution that is running when this returns, until its executor is released."""

    def __call__(
        self, subject: Subject, options: Any, executor: Held | None = None, **settings: Any
    ) -> tuple[Held, Future[Any]]: ...


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    """One kind of tracker and the driver below it."""
    return str(request.param)


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


@pytest.fixture
def new_subject(driver: str, database_url: str) -> Iterator[NewSubject]:
    with ExitStack() as opened:

        def make(url: str | None = None, **settings: Any) -> Subject:
            return opened.enter_context(open_subject(driver, url or database_url, **settings))

        yield make


@pytest.fixture
def subject(new_subject: NewSubject) -> Subject:
    return new_subject()


@pytest.fixture
def background() -> Iterator[Background]:
    with ThreadPoolExecutor(max_workers=256) as threads:

        def start(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
            return threads.submit(function, *args, **kwargs)

        yield start


@pytest.fixture
def running(background: Background) -> Iterator[Running]:
    held: list[Held] = []

    def start(
        subject: Subject, options: Any, executor: Held | None = None, **settings: Any
    ) -> tuple[Held, Future[Any]]:
        executor = executor or Held()
        held.append(executor)
        future = background(subject.execute_idempotent, options, executor, **settings)
        executor.wait_until_begun()
        return executor, future

    yield start
    for executor in held:
        executor.release()

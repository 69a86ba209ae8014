"""Workers on a real Redis; without the server's program these tests skip themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from celery import Celery

from tests.support.redis_server import program, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """Yield the URL of a Redis of this test run's own."""
    if program() is None:
        pytest.skip("redis-server is not installed")
    with redis_server() as url:
        yield url


@pytest.fixture
def name() -> str:
    """Return a name for what a test sends that nothing else has, in the broker either."""
    return uuid4().hex


@pytest.fixture
def app() -> Iterator[Celery]:
    """Yield an app without a broker: tasks are called in place."""
    with Celery("here", broker="memory://", set_as_current=False) as made:
        yield made

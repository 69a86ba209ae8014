"""Async trackers on engines of the test's loop."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import pytest_asyncio
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from exec_tracker import AsyncExecutionTracker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class NewTracker(Protocol):
    """Makes a tracker on a host's engine with these options, closed at the end of the test."""

    def __call__(self, *, pool_size: int = 5, **settings: Any) -> AsyncExecutionTracker: ...


@pytest.fixture(params=["psycopg", "asyncpg"])
def async_url(request: pytest.FixtureRequest, database_url: str) -> str:
    """The test's database over one async driver."""
    url = make_url(database_url).set(drivername=f"postgresql+{request.param}")
    return url.render_as_string(hide_password=False)


@pytest_asyncio.fixture
async def new_tracker(async_url: str) -> AsyncIterator[NewTracker]:
    async with AsyncExitStack() as opened:

        def make(*, pool_size: int = 5, **settings: Any) -> AsyncExecutionTracker:
            engine = create_async_engine(async_url, pool_size=pool_size, max_overflow=0)
            tracker = AsyncExecutionTracker(engine, **settings)
            opened.push_async_callback(engine.dispose)
            opened.push_async_callback(tracker.aclose)
            return tracker

        yield make


@pytest.fixture
def aio(new_tracker: NewTracker) -> AsyncExecutionTracker:
    return new_tracker()

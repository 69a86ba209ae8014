"""The fixture that lives in an event loop, for which pytest needs the plugin pytest-asyncio."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from exec_tracker.aio import AsyncExecutionTracker

__all__ = ["async_tracker"]


async def _async_tracker(database_url: str) -> AsyncIterator[AsyncExecutionTracker]:
    """Yield an asynchronous tracker on this test's database, closed afterwards."""
    from exec_tracker.aio import AsyncExecutionTracker  # noqa: PLC0415 - only where asked for

    tracker = AsyncExecutionTracker(database_url)
    yield tracker
    await tracker.aclose()


def _missing() -> None:
    """Fail, because pytest-asyncio is not installed."""
    pytest.fail("async_tracker needs the plugin pytest-asyncio: pip install pytest-asyncio")


if importlib.util.find_spec("pytest_asyncio"):
    import pytest_asyncio

    async_tracker = pytest_asyncio.fixture(_async_tracker, name="async_tracker")
else:  # pragma: no cover - our own environment has it
    async_tracker = pytest.fixture(_missing, name="async_tracker")

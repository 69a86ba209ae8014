"""Claims for an event loop, from an asynchronous tracker or, in threads, from a synchronous one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Unpack

from exec_tracker.aio import AsyncExecutionTracker
from exec_tracker.errors import ConfigurationError
from exec_tracker.tracker import ExecutionTracker

if TYPE_CHECKING:
    from collections.abc import Callable

    from exec_tracker.context import ExecutionContext
    from exec_tracker.integrations.http import IdempotencyPolicy
    from exec_tracker.keywords import ExecuteSettings
    from exec_tracker.tracker import Claim
    from exec_tracker.types import ExecuteOptions


T = TypeVar("T")


class OpenClaim(Protocol):
    """What the middleware needs of an AsyncClaim."""

    @property
    def cached(self) -> bool:
        """Whether there is nothing to do."""

    @property
    def result(self) -> Any:
        """The stored result, where cached."""

    @property
    def context(self) -> ExecutionContext:
        """What the handler is told."""

    async def complete(self, result: Any = None) -> Any:
        """Store the result."""

    async def fail(self, error: BaseException | str, *, retryable: bool = True) -> None:
        """Record a failure."""


def check_tracker(tracker: object, *policies: IdempotencyPolicy) -> None:
    """Raise ConfigurationError for what is no tracker, or cannot do what a policy asks."""
    if not isinstance(tracker, AsyncExecutionTracker | ExecutionTracker):
        raise ConfigurationError(
            "tracker is an AsyncExecutionTracker, or an ExecutionTracker, which is then used in "
            f"threads; {type(tracker).__name__} is neither."
        )
    if isinstance(tracker, ExecutionTracker) and any(
        one.settings.get("on_running") == "wait" for one in policies
    ):
        # Those who wait would hold all the threads, and the one they wait for needs one.
        raise ConfigurationError(
            'on_running="wait" needs an AsyncExecutionTracker here: with an ExecutionTracker each '
            "request that waits would keep a thread busy."
        )


async def claim(
    tracker: AsyncExecutionTracker | ExecutionTracker,
    options: ExecuteOptions,
    **settings: Unpack[ExecuteSettings],
) -> OpenClaim:
    """Claim the key; raises what `tracker.claim` raises."""
    if isinstance(tracker, AsyncExecutionTracker):
        return await tracker.claim(options, **settings)
    made, interrupt = await _to_the_end(lambda: tracker.claim(options, **settings))
    if interrupt is not None:
        if not made.cached:
            await _to_the_end(lambda: made.fail("cancelled before the handler began"))
        raise interrupt
    return _ThreadedClaim(made)


class _ThreadedClaim:
    """A synchronous claim whose writes are made in threads."""

    def __init__(self, own: Claim) -> None:
        self._own = own

    @property
    def cached(self) -> bool:
        return self._own.cached

    @property
    def result(self) -> Any:
        return self._own.result

    @property
    def context(self) -> ExecutionContext:
        return self._own.context

    async def complete(self, result: Any = None) -> Any:
        return await _finished(lambda: self._own.complete(result))

    async def fail(self, error: BaseException | str, *, retryable: bool = True) -> None:
        await _finished(lambda: self._own.fail(error, retryable=retryable))


async def _finished(function: Callable[[], T]) -> T:
    value, interrupt = await _to_the_end(function)
    if interrupt is not None:
        raise interrupt
    return value


async def _to_the_end(function: Callable[[], T]) -> tuple[T, asyncio.CancelledError | None]:
    """Call a function in a thread; a thread cannot be cancelled, so a cancellation is noted."""
    work = asyncio.ensure_future(asyncio.to_thread(function))
    interrupt: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as exc:
            interrupt = exc
    return work.result(), interrupt

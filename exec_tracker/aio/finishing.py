"""Await work to its end, whoever cancels meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

__all__ = ["to_the_end"]


async def to_the_end(work: Coroutine[Any, Any, Any], cancelled: list[BaseException]) -> Any:
    """Await work that must not be left half done; a cancellation meanwhile is noted, not raised.

    `asyncio.shield` alone would leave the write running behind the caller's back.
    """
    task = asyncio.ensure_future(work)
    waiting = _Waiting(task, cancelled)
    while not task.done():
        try:
            await waiting
        except asyncio.CancelledError as exc:
            if task.cancelled():
                raise
            cancelled[:] = [exc]
        except BaseException:  # noqa: BLE001 # the task's own, raised below
            break
    return task.result()


class _Waiting:
    """What the caller's task waits for: another task, but who cancels the one spares the other.

    `asyncio.shield` does so with a future in between, which takes the loop another round for every
    statement. The event loop takes any object for a future that has these methods, and says so by
    `_asyncio_future_blocking` (asyncio/futures.py, `isfuture`).
    """

    _asyncio_future_blocking = False

    def __init__(self, task: asyncio.Future[Any], cancelled: list[BaseException]) -> None:
        self._task, self._cancelled = task, cancelled

    def __await__(self) -> Generator[_Waiting, None, None]:
        if not self._task.done():
            self._asyncio_future_blocking = True
            yield self

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._task.get_loop()

    def add_done_callback(self, callback: Callable[..., object], **context: Any) -> None:
        self._task.add_done_callback(callback, **context)

    def cancel(self, msg: Any = None) -> bool:
        """Note it, and let the caller's task believe that it will hear."""
        self._cancelled[:] = [
            asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg)
        ]
        return True

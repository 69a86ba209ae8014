"""Work that goes on behind an answer: kept, reported in the log, and ended with the server."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from mcp.server.mcpserver.exceptions import ToolError

from exec_tracker.executors import is_asynchronous
from exec_tracker.keywords import check_duration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from exec_tracker.aio import AsyncExecutionTracker
    from exec_tracker.keywords import ExecuteSettings
    from exec_tracker.types import ExecuteOptions, ExecutionResult

_log = logging.getLogger("exec_tracker")

# Clients that started a server give it two seconds to stop, and then end it.
_FINISH_WITHIN: Final = timedelta(seconds=1)

# The event loop itself keeps only weak references to tasks.
_RUNS: Final[WeakKeyDictionary[AsyncExecutionTracker, set[Run]]] = WeakKeyDictionary()


class Run:
    """One call of an idempotent tool, as a task that the caller's going away does not end."""

    def __init__(
        self,
        tracker: AsyncExecutionTracker,
        options: ExecuteOptions,
        call: Callable[[], Any],
        settings: ExecuteSettings,
    ) -> None:
        """Start; `call` is what the tracker runs where it decides to."""
        self._call = call
        self._execution_id = options.execution_id
        self._loop = asyncio.get_running_loop()
        self._answerable = asyncio.Event()
        self.has_begun = False
        self.raised: BaseException | None = None
        executor = self._awaited if is_asynchronous(call) else self._in_thread
        self.task: asyncio.Task[ExecutionResult[Any]] = self._loop.create_task(
            tracker.execute(options, executor, **settings), name=f"exec_tracker {self}"
        )
        runs = _RUNS.setdefault(tracker, set())
        runs.add(self)
        self.task.add_done_callback(lambda _: runs.discard(self))
        self.task.add_done_callback(self._ended)

    def __str__(self) -> str:
        """Name the execution."""
        return f"execution {self._execution_id!r}"

    async def answerable(self, within: timedelta) -> bool:
        """Wait until it has ended, and return True; or return False where it takes longer.

        Not before it has begun: until then its key is not claimed, and there is nothing to tell.
        """
        await asyncio.wait({self.task}, timeout=within.total_seconds())
        await self._answerable.wait()
        return self.task.done()

    def _begin(self) -> None:
        self.has_begun = True
        self._answerable.set()

    async def _awaited(self) -> Any:
        self._begin()
        try:
            return await self._call()
        except BaseException as error:
            self.raised = error
            raise

    def _in_thread(self) -> Any:
        self._loop.call_soon_threadsafe(self._begin)
        try:
            return self._call()
        except BaseException as error:
            self.raised = error
            raise

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Log what went wrong: whoever asked may be gone, and is told no tracebacks."""
        self._answerable.set()
        if task.cancelled():
            _log.warning("%s was interrupted by the end of the server", self)
            return
        error = task.exception()
        if isinstance(error, ToolError):
            _log.info("%s failed: %r", self, str(error))
        elif error is not None and self.has_begun:
            _log.error("%s failed, or could not be recorded", self, exc_info=error)


@asynccontextmanager
async def finishing(
    tracker: AsyncExecutionTracker, *, within: timedelta = _FINISH_WITHIN
) -> AsyncIterator[dict[str, Any]]:
    """Be an MCPServer's lifespan, or a part of it: at its end, background work is finished.

    What the tracker's idempotent tools still run is waited for, and cancelled after `within`: it is
    then recorded with its outcome unknown, and that write is awaited. Without this, the end of the
    event loop cancels it at once. A process that is killed records nothing: there the lease runs
    out. Plain functions, which run in threads, cannot be stopped; the process ends after them.

    Raises:
        ConfigurationError: `within` is no duration.
    """
    check_duration("within", within)
    try:
        yield {}
    finally:
        await _finish(tracker, within)


async def _finish(tracker: AsyncExecutionTracker, within: timedelta) -> None:
    loop = asyncio.get_running_loop()
    tasks = {run.task for run in _RUNS.get(tracker, ()) if run.task.get_loop() is loop}
    if not tasks:
        return
    try:
        await asyncio.wait(tasks, timeout=within.total_seconds())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

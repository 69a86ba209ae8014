"""Trackers of either kind as a program uses them: every method blocks, and none is left waiting."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from exec_tracker import AsyncExecutionTracker, ExecutionTracker, normalise_url

if TYPE_CHECKING:
    from collections.abc import Callable


class Blocking:
    """Anything of the tracker's, with its coroutines run to their end."""

    def __init__(self, thing: Any, run: Callable[[Any], Any]) -> None:
        """Wrap it."""
        self.thing = thing
        self._run = run

    def __getattr__(self, name: str) -> Any:
        """Return a property's value, or a method that blocks."""
        found = getattr(self.thing, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **keywords: Any) -> Any:
            return self._run(found(*arguments, **keywords))

        return call


class SyncCaller(Blocking):
    """A sync tracker: on the host's engine, or on connections of its own where it got the URL."""

    def __init__(self, url: str, *, by_url: bool) -> None:
        """Make it."""
        fitting = normalise_url(url)
        self.engine = create_engine(fitting)
        self.tracker = ExecutionTracker(fitting if by_url else self.engine)
        super().__init__(self.tracker, lambda answer: answer)

    def claim(self, *arguments: Any, **keywords: Any) -> Blocking:
        """Return a handle that blocks."""
        return Blocking(self.tracker.claim(*arguments, **keywords), lambda answer: answer)

    def in_session(self, options: Any, work: Any, **keywords: Any) -> Any:
        """Work in a session of the host's, which commits what is recorded."""
        with Session(self.engine) as session:
            try:
                return self.tracker.execute_in_transaction(
                    options, work, session=session, **keywords
                )
            finally:
                session.commit()

    def close(self) -> None:
        """Close the tracker, then the host's engine."""
        self.tracker.close()
        self.engine.dispose()

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


class AsyncCaller(Blocking):
    """An async tracker on the host's engine, on an event loop in a thread of its own."""

    def __init__(self, url: str) -> None:
        """Make it."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.engine = create_async_engine(normalise_url(url, asynchronous=True))
        self.tracker = AsyncExecutionTracker(self.engine)
        super().__init__(self.tracker, self.run)

    def run(self, answer: Any) -> Any:
        """Run what is awaitable to its end."""
        if not inspect.isawaitable(answer):
            return answer

        async def awaiting() -> Any:
            return await answer

        return asyncio.run_coroutine_threadsafe(awaiting(), self._loop).result()

    def claim(self, *arguments: Any, **keywords: Any) -> Blocking:
        """Return a handle that blocks."""
        return Blocking(self.run(self.tracker.claim(*arguments, **keywords)), self.run)

    def in_session(self, options: Any, work: Any, **keywords: Any) -> Any:
        """Work in a session of the host's, which commits what is recorded."""

        async def call() -> Any:
            async with AsyncSession(self.engine) as session:
                try:
                    return await self.tracker.execute_in_transaction(
                        options, work, session=session, **keywords
                    )
                finally:
                    await session.commit()

        return self.run(call())

    def close(self) -> None:
        """Close the tracker, then the host's engine."""
        self.run(self.tracker.aclose())
        self.run(self.engine.dispose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

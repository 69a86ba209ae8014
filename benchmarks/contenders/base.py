"""What a contender can do: run the same trivial function once per key, for several callers."""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar, Final

RESULT: Final = {"charge": "ch_1"}
USER_ID: Final = "00000000-0000-4000-8000-000000000001"
"""The owner of all executions; the database has it before any contender starts."""


class Contender:
    """Used by several threads at once, each with a number of its own: its caller.

    `open` may make what each caller keeps; whatever it costs is not measured.
    """

    keys_per_call: ClassVar[int] = 1
    pause = 0.0

    def open(self, url: str, callers: int) -> None:
        """Connect, and make what the library needs, as its documentation says."""
        raise NotImplementedError

    def fresh(self, caller: int, key: str) -> Any:
        """Run the function under a key that is new, and return its result."""
        raise NotImplementedError

    def replay(self, caller: int, key: str) -> Any:
        """Return the result that is stored under the key."""
        return self.fresh(caller, key)

    def together(self, caller: int, key: str) -> Any:
        """Run the function or wait for whoever runs it, and return the one result."""
        raise NotImplementedError

    def close(self) -> None:
        """Close what was opened."""

    def work(self) -> dict[str, str]:
        """Be the function whose result is kept."""
        if self.pause:
            time.sleep(self.pause)
        return RESULT


class AsyncContender:
    """As Contender, its callers being tasks of one event loop."""

    pause = 0.0

    async def open(self, url: str, callers: int) -> None:
        """Connect, and make what the library needs, as its documentation says."""
        raise NotImplementedError

    async def fresh(self, caller: int, key: str) -> Any:
        """Run the function under a key that is new, and return its result."""
        raise NotImplementedError

    async def replay(self, caller: int, key: str) -> Any:
        """Return the result that is stored under the key."""
        return await self.fresh(caller, key)

    async def together(self, caller: int, key: str) -> Any:
        """Run the function or wait for whoever runs it, and return the one result."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close what was opened."""

    async def work(self) -> dict[str, str]:
        """Be the function whose result is kept."""
        if self.pause:
            await asyncio.sleep(self.pause)
        return RESULT

"""idemkit on PostgreSQL, from asyncio: https://github.com/idemkit/idemkit."""

from __future__ import annotations

from typing import Any

from idemkit import MethodConfig, PostgresBackend, idempotent
from idemkit.backends.postgres import init_pg

from benchmarks.contenders.base import AsyncContender


class Decorated(AsyncContender):
    """A decorated coroutine function on the backend's own pool, as `from_url` makes it."""

    async def open(self, url: str, callers: int) -> None:
        """Make the table, the pool, and decorate the function."""
        await init_pg(url)
        self._backend = PostgresBackend.from_url(url, max_size=max(callers, 20))
        config = MethodConfig(key_fields=["key"], scope=lambda _: "all", wait_timeout_seconds=30.0)

        @idempotent(backend=self._backend, config=config)
        async def charge(*, key: str) -> dict[str, str]:
            return await self.work()

        self._charge = charge

    async def fresh(self, caller: int, key: str) -> Any:
        """Call it."""
        return await self._charge(key=key)

    async def together(self, caller: int, key: str) -> Any:
        """Call it; who is not first waits."""
        return await self._charge(key=key)

    async def close(self) -> None:
        """Disconnect."""
        await self._backend.aclose()

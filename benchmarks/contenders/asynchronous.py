"""exec_tracker from asyncio over asyncpg, and its floor: raw asyncpg on kept connections."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Final
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.contenders.base import RESULT, USER_ID, AsyncContender
from exec_tracker import AsyncExecutionTracker, ExecuteOptions, normalise_url

_USER = UUID(USER_ID)


async def charge() -> dict[str, str]:
    """Be the function, as one of a host's modules has it."""
    return RESULT


class OwnPool(AsyncContender):
    """A tracker that was given a URL."""

    async def open(self, url: str, callers: int) -> None:
        """Make the tracker."""
        self.tracker = AsyncExecutionTracker(normalise_url(_asyncpg(url), asynchronous=True))

    async def fresh(self, caller: int, key: str) -> Any:
        """Call it."""
        options = ExecuteOptions(idempotency_key=key, workflow_id="charge", user_id=_USER)
        return await self.tracker.execute_idempotent(options, charge)

    async def together(self, caller: int, key: str) -> Any:
        """Call it, and wait."""
        options = ExecuteOptions(idempotency_key=key, workflow_id="charge", user_id=_USER)
        return await self.tracker.execute_idempotent(options, self.work, on_running="wait")

    async def close(self) -> None:
        """Close the tracker."""
        await self.tracker.aclose()


class HostPool(OwnPool):
    """A tracker that borrows connections of a host's engine."""

    async def open(self, url: str, callers: int) -> None:
        """Make an engine as the tracker's documentation advises a host, and the tracker on it."""
        there = normalise_url(_asyncpg(url), asynchronous=True)
        self.engine = create_async_engine(there, pool_size=max(callers, 5), pool_use_lifo=True)
        self.tracker = AsyncExecutionTracker(self.engine)

    async def close(self) -> None:
        """Close the tracker, then the engine."""
        await super().close()
        await self.engine.dispose()


def _asyncpg(url: str) -> str:
    return url.replace("postgresql://", "postgresql+asyncpg://", 1)


_INSERT: Final = """
INSERT INTO workflow_executions
       (id, workflow_id, user_id, status, started_at, attempt, claim_token, lease_expires_at)
VALUES ($1, 'charge', $2, 'running', clock_timestamp(), 1, $3,
        clock_timestamp() + interval '60 s')
    ON CONFLICT (id) DO NOTHING
RETURNING attempt"""
_SELECT: Final = """
SELECT workflow_id, user_id, status, result FROM workflow_executions WHERE id = $1"""
_UPDATE: Final = """
UPDATE workflow_executions
   SET status = 'completed', result = $1, completed_at = clock_timestamp(),
       lease_expires_at = NULL
 WHERE id = $2 AND claim_token = $3 AND status || '' = 'running'"""


class Raw(AsyncContender):
    """A connection per caller, which keeps its prepared statements."""

    settings: ClassVar[dict[str, Any]] = {}

    async def open(self, url: str, callers: int) -> None:
        """Connect every caller."""
        self._connections = [
            await asyncpg.connect(url, **type(self).settings) for _ in range(callers)
        ]

    async def fresh(self, caller: int, key: str) -> Any:
        """Claim, run, complete; or read."""
        connection = self._connections[caller]
        token = uuid4()
        if await connection.fetchval(_INSERT, key, _USER, token) is None:
            row = await connection.fetchrow(_SELECT, key)
            return json.loads(row["result"])
        result = await self.work()
        await connection.execute(_UPDATE, json.dumps(result), key, token)
        return result

    async def close(self) -> None:
        """Disconnect."""
        for connection in self._connections:
            await connection.close()


class RawUncached(Raw):
    """The same as it has to be behind a transaction pooler: nothing stays prepared."""

    settings: ClassVar[dict[str, Any]] = {"statement_cache_size": 0}

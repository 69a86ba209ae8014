"""absurd, its worker in the caller's thread: https://github.com/earendil-works/absurd."""

from __future__ import annotations

from typing import Any

import psycopg
from absurd_sdk import Absurd
from absurdctl import BUNDLED_SCHEMA_SQL

from benchmarks.contenders.base import Contender


class Inline(Contender):
    """Spawn under the key, work off the one task, fetch its result.

    A client and a queue for every caller: on a shared queue callers would work off each other's
    tasks, and then poll for their own. Of a key that is used the result is only fetched.
    """

    def open(self, url: str, callers: int) -> None:
        """Make the schema and the queues, and connect."""
        with psycopg.connect(url, autocommit=True) as connection:
            if connection.execute("SELECT to_regnamespace('absurd')").fetchone() == (None,):
                connection.execute(BUNDLED_SCHEMA_SQL)
        self._each = [self._client(url, f"q{caller}") for caller in range(callers)]

    def _client(self, url: str, queue: str) -> Any:
        client = Absurd(url, queue_name=queue)
        if queue not in client.list_queues():
            client.create_queue()

        @client.register_task(name="charge")
        def charge(_parameters: Any, _context: Any) -> dict[str, str]:
            return self.work()

        return client

    def fresh(self, caller: int, key: str) -> Any:
        """Spawn, work, fetch."""
        client = self._each[caller]
        spawned = client.spawn("charge", {}, idempotency_key=key)
        client.work_batch()
        return client.fetch_task_result(spawned["task_id"]).result

    def replay(self, caller: int, key: str) -> Any:
        """Spawn, which finds the task, and fetch."""
        client = self._each[caller]
        spawned = client.spawn("charge", {}, idempotency_key=key)
        return client.fetch_task_result(spawned["task_id"]).result

    def close(self) -> None:
        """Disconnect."""
        for client in self._each:
            client.close()

"""exactly-once on PostgreSQL: https://github.com/swarmproof/exactly-once."""

from __future__ import annotations

from typing import Any

from exactly_once import Store, once, wait

from benchmarks.contenders.base import Contender


class Each(Contender):
    """A store for every caller, since each holds one connection under a lock."""

    def open(self, url: str, callers: int) -> None:
        """Make the table, connect, and decorate the function."""
        self._stores = [Store.postgres(url) for _ in range(callers)]
        self._each = [self._decorated(store) for store in self._stores]

    def _decorated(self, store: Any) -> Any:
        @once(store, key=lambda key: key, policy=wait(timeout=30.0))
        def charge(key: str) -> dict[str, str]:
            return self.work()

        return charge

    def fresh(self, caller: int, key: str) -> Any:
        """Call it."""
        return self._each[caller](key)

    def together(self, caller: int, key: str) -> Any:
        """Call it; who is not first waits."""
        return self._each[caller](key)

    def close(self) -> None:
        """Disconnect."""
        for store in self._stores:
            store.close()

"""agent-once on PostgreSQL: https://github.com/frogscooper/once."""

from __future__ import annotations

from typing import Any

from once import Once

from benchmarks.contenders.base import Contender


class Each(Contender):
    """A Once for every caller, since each holds one connection under a lock.

    Callers of one key share a Once: in one process that is how its documentation has them wait.
    """

    def open(self, url: str, callers: int) -> None:
        """Make the table and connect."""
        self._each = [Once(url, wait=30.0) for _ in range(callers)]

    def fresh(self, caller: int, key: str) -> Any:
        """Call it."""
        return self._each[caller].execute(fn=self.work, key=key)

    def together(self, caller: int, key: str) -> Any:
        """Call the one that all share."""
        return self._each[0].execute(fn=self.work, key=key)

    def close(self) -> None:
        """Disconnect."""
        for one in self._each:
            one.close()

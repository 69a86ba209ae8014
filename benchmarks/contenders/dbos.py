"""DBOS Transact, the workflow id being the key: https://docs.dbos.dev."""

from __future__ import annotations

from typing import Any

from dbos import DBOS, SetWorkflowID

from benchmarks.contenders.base import Contender

_current: list[Contender] = []
"""The one contender of this process, which decorated functions of a module have to find."""


@DBOS.workflow()
def charge() -> dict[str, str]:
    """Do the work in the workflow itself."""
    return _current[0].work()


@DBOS.step()
def charging() -> dict[str, str]:
    """Do the work."""
    return _current[0].work()


@DBOS.workflow()
def charge_in_a_step() -> dict[str, str]:
    """Do the work in a step, whose outcome is recorded by itself."""
    return charging()


class WithoutStep(Contender):
    """A workflow that is called in the caller's thread."""

    workflow = staticmethod(charge)

    def open(self, url: str, callers: int) -> None:
        """Make the system tables, and launch."""
        _current.append(self)
        DBOS(
            config={
                "name": "benchmark",
                "system_database_url": url.replace("postgresql://", "postgresql+psycopg://", 1),
                "log_level": "ERROR",
            }
        )
        DBOS.launch()

    def fresh(self, caller: int, key: str) -> Any:
        """Call it under the key."""
        with SetWorkflowID(key):
            return type(self).workflow()

    def together(self, caller: int, key: str) -> Any:
        """Call it under the key; who is not first waits."""
        return self.fresh(caller, key)

    def close(self) -> None:
        """Stop it."""
        DBOS.destroy()


class WithOneStep(WithoutStep):
    """The same with the work in a step, as its documentation has it for effects."""

    workflow = staticmethod(charge_in_a_step)

"""How large a run is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says about the size of a run."""

    rounds: int = 25
    seconds: float = 0.2
    executions: int = 50_000
    counted: int = 5_000
    rows: tuple[int, ...] = (10_000, 1_000_000)
    contenders: tuple[str, ...] = ()

    def chosen(self, names: list[str]) -> list[str]:
        """Leave out contenders that were not asked for."""
        return [name for name in names if not self.contenders or name in self.contenders]

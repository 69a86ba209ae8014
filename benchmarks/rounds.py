"""Paired rounds: everybody once per round, in a new order, so that noise meets all alike."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.lanes import LaneError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Cell = tuple[str, int]
"""What is done, and by how many callers at once."""


class Answers(Protocol):
    """A lane, or what stands in for one."""

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Do what the command says."""


def name_of(cell: Cell) -> str:
    """Return a cell's name in the results."""
    return f"{cell[0]} x{cell[1]}"


def interleave(
    lanes: Mapping[str, Answers],
    cells: Sequence[Cell],
    *,
    rounds: int,
    seconds: float,
    told: Callable[[str], None],
) -> tuple[dict[str, dict[str, list[float]]], dict[str, str]]:
    """Return everybody's rates per cell, one for every round, and why some had to be left out."""
    rates: dict[str, dict[str, list[float]]] = {
        name: {name_of(cell): [] for cell in cells} for name in lanes
    }
    absent: dict[str, str] = {}
    for number in range(rounds):
        turns = [(name, cell) for name in lanes for cell in cells]
        random.shuffle(turns)
        for name, cell in turns:
            if name in absent:
                continue
            try:
                kind, callers = cell
                answer = lanes[name].ask("window", kind=kind, callers=callers, seconds=seconds)
                rates[name][name_of(cell)].append(answer["rate"])
            except LaneError as exc:
                absent[name] = str(exc)
                del rates[name]
        told(f"round {number + 1} of {rounds}")
    return rates, absent

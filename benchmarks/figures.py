"""What rounds come to: medians, spreads, and ratios of what was measured in the same round."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Figure:
    """A median, and the quarter below which and above which a quarter of the rounds lay."""

    middle: float
    low: float
    high: float


def figure(samples: Sequence[float]) -> Figure:
    """Sum up what all rounds gave."""
    if len(samples) < 2:  # noqa: PLR2004 # fewer have no spread
        return Figure(samples[0], samples[0], samples[0])
    low, _, high = quantiles(samples, n=4, method="inclusive")
    return Figure(median(samples), low, high)


def ratio(samples: Sequence[float], floor: Sequence[float]) -> Figure:
    """Sum up the ratios of rounds, each to its own round's floor."""
    return figure([one / other for one, other in zip(samples, floor, strict=True)])

"""The parts of a run; each can be run by itself, and its results replace only its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.sections import (
    asynchrony,
    batches,
    costs,
    growth,
    heartbeat,
    memory,
    network,
    throughput,
    waiting,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from benchmarks.options import Options

SECTIONS: Final[dict[str, Callable[[Options, Callable[[str], None]], dict[str, Any]]]] = {
    "fresh": throughput.fresh,
    "replay": throughput.replay,
    "async": asynchrony.measure,
    "costs": costs.measure,
    "waiters": waiting.measure,
    "network": network.measure,
    "heartbeat": heartbeat.measure,
    "memory": memory.measure,
    "batch": batches.measure,
    "growth": growth.measure,
}

BY_DEFAULT: Final = tuple(name for name in SECTIONS if name != "growth")
"""Everything that a few minutes are enough for."""

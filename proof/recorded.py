"""Keep what each part of the proof has found, so that the page has the last run of each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ORDERS: Final = "orders"
FAULTS: Final = "faults"
PARTS: Final = (ORDERS, FAULTS)

_FILE: Final = Path(__file__).parent / "recorded.json"


@dataclass(frozen=True, slots=True)
class Part:
    """One part's run as the page has it: its date and command, its figures, its sections."""

    run: str
    command: str
    figures: list[tuple[str, str]]
    sections: str


def load() -> dict[str, Part]:
    """Return the last run of every part that was run."""
    kept = json.loads(_FILE.read_text(encoding="utf-8")) if _FILE.exists() else {}
    return {name: Part(**part) for name, part in kept.items()}


def keep(new: Mapping[str, Part]) -> dict[str, Part]:
    """Replace the parts that were run, and return all."""
    parts = {**load(), **new}
    text = json.dumps({name: asdict(part) for name, part in parts.items()}, indent=1)
    _FILE.write_text(text + "\n", encoding="utf-8")
    return parts

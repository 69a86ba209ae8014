"""Webhook deliveries: a file of real ones if there is one, else some as awkward as real ones."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "EXEC_TRACKER_WEBHOOKS"
COUNT = 329

_TEXTS = (
    "", " ", "null", "naïve “quotes”", "𝛑 👩‍👩‍👧 \u202e\u0301", 'a\tb\r\nc\\u0000 \\ " / \x7f',
    "2021-08-19T12:16:32.000-04:00", '{"nested": "json"}', "'; DROP TABLE x; --", "%s :id {a}",
    "x" * 5000,
)  # fmt: skip
_NUMBERS = (0, -1, 2**53 + 1, -(2**63), 10**30, 0.1, 1e-7, 1.5e10, -0.25)


def chosen_file() -> str | None:
    """Return the file that the environment names, or None."""
    return os.environ.get(VARIABLE) or None


def read_deliveries(path: str | None) -> list[dict[str, Any]]:
    """Read a file of one JSON object a line, gzipped or not; None makes deliveries up."""
    if path is None:
        return list(_made_up())
    raw = Path(path).read_bytes()
    text = (gzip.decompress(raw) if path.endswith(".gz") else raw).decode()
    return [json.loads(line) for line in text.splitlines() if line]


def _made_up() -> Iterator[dict[str, Any]]:
    chance = random.Random(329)  # noqa: S311 # the same ones at every run
    for _ in range(COUNT):
        yield {
            "delivery": str(UUID(int=chance.getrandbits(128))),
            "event": chance.choice(("push", "issues", "check_run")),
            "action": chance.choice(("opened", "edited", None)),
            "payload": {f"field_{n}": _value(chance, 5) for n in range(chance.randrange(1, 12))},
        }


def _value(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(8 if depth else 6)
    if kind == 6:  # one of eight kinds
        return [_value(chance, depth - 1) for _ in range(chance.randrange(5))]
    if kind > 6:  # as above
        keys = chance.sample(_TEXTS, chance.randrange(5))
        return {key: _value(chance, depth - 1) for key in keys}
    choices: tuple[Any, ...] = (*_TEXTS, *_NUMBERS, None, True, False)
    return chance.choice(choices)

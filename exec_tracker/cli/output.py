"""What is printed: answers on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

__all__ = ["answers", "moment", "notes", "print_json", "say", "shown", "use_any_text"]

_UNFOLDED: Final = 400
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def answers() -> Console:
    """Return the console for what was asked for; where nobody watches, nothing is folded."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _UNFOLDED
    return console


def notes() -> Console:
    """Return the console for progress and remarks."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def use_any_text() -> None:
    """Have characters escaped that the terminal's encoding cannot show, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def say(message: str) -> None:
    """Print a remark on standard error, marked as ours."""
    if sys.stderr is not None:  # None where it was closed before we started
        sys.stderr.write(f"exec-tracker: {message.strip()}\n")
        sys.stderr.flush()


def shown(text: str | None, style: str = "") -> Text:
    """Return stored text as it may be shown: a terminal must not obey what it contains."""
    return Text(_CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text or ""), style=style)


def moment(at: datetime | None, *, short: bool = False) -> Text:
    """Return a time in the reader's zone, to the second; without the zone where it is short."""
    if at is None:
        return Text()
    local = at.astimezone()
    return Text((local.replace(tzinfo=None) if short else local).isoformat(" ", "seconds"))


def print_json(value: BaseModel | Sequence[BaseModel] | dict[str, Any]) -> None:
    """Print JSON for programs: one object, or one list."""
    plain: Any = value
    if isinstance(value, BaseModel):
        plain = value.model_dump(mode="json")
    elif not isinstance(value, dict):
        plain = [one.model_dump(mode="json") for one in value]
    sys.stdout.write(json.dumps(plain, indent=2, ensure_ascii=False) + "\n")

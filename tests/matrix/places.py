"""Where the matrix keeps what it downloads, and the error of what cannot be had."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = ROOT / "build" / "matrix"


class UnavailableError(Exception):
    """This machine cannot have a server or an interpreter; the message says why."""

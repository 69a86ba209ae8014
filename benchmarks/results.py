"""The file that keeps what was measured, so that page and charts can be made again without it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.machine import load, machine, server_settings, versions

if TYPE_CHECKING:
    from benchmarks.options import Options

FILE: Final = Path(__file__).parent / "results.json"
_DIGITS: Final = 5
_NUMBERS: Final = re.compile(r"\[\s+([-+\d.,e\s]+?)\s+\]")


class Results:
    """Sections by name: what each has found, and how and when it was run."""

    def __init__(self, sections: dict[str, dict[str, Any]]) -> None:
        self.sections = sections

    @classmethod
    def read(cls, file: Path = FILE) -> Results:
        """Read the file; without one there are no results."""
        if not file.exists():
            return cls({})
        return cls(json.loads(file.read_text(encoding="utf-8")))

    def write(self, file: Path = FILE) -> None:
        """Write the file."""
        text = json.dumps(self.sections, indent=1, sort_keys=True, ensure_ascii=False)
        file.write_text(_on_one_line(text) + "\n", encoding="utf-8")

    def found(self, section: str) -> dict[str, Any] | None:
        """Return what a section has found, or None where it was not run."""
        return self.sections.get(section, {}).get("found")

    def run(self, section: str) -> dict[str, Any]:
        """Return how a section was run."""
        ran: dict[str, Any] = self.sections[section]["run"]
        return ran

    def keep(self, section: str, found: dict[str, Any], run: dict[str, Any]) -> None:
        """Put in a section, in place of what it had found before."""
        self.sections[section] = {"found": _rounded(found), "run": run}


def circumstances(options: Options) -> dict[str, Any]:
    """Return what belongs to a section's results; take it before the section begins."""
    return {
        "began_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "load_before": load(),
        "options": asdict(options),
        "machine": machine(),
        "versions": versions(),
        "server": server_settings(),
    }


def _rounded(found: Any) -> Any:
    if isinstance(found, float):
        return float(f"{found:.{_DIGITS}g}")
    if isinstance(found, dict):
        return {name: _rounded(value) for name, value in found.items()}
    if isinstance(found, list):
        return [_rounded(value) for value in found]
    return found


def _on_one_line(text: str) -> str:
    """Put lists of numbers on one line each: nobody reads a number per line."""
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text)
